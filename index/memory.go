package index

import (
	"bufio"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bytes an entry takes in each kind of index, and those that a Multi takes
// whatever it holds: a few segments' offsets, rounded up to huge pages.
const (
	multiEntryBytes = 140
	multiFixedBytes = 32 << 20
)

// Memory returns how many bytes this process may use: the least of what the
// machine has and what its control groups allow. If the system does not say, it
// is 2 GiB.
func Memory() int64 {
	least := int64(math.MaxInt64)
	if b, ok := totalMemory("/proc/meminfo"); ok {
		least = b
	}
	if groups, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		least = min(least, groupLimit("/sys/fs/cgroup", string(groups)))
	}
	if least == math.MaxInt64 {
		return 2 << 30
	}
	return least
}

// totalMemory reads the machine's memory from a file like /proc/meminfo.
func totalMemory(name string) (bytes int64, ok bool) {
	f, err := os.Open(name)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kb, err := strconv.ParseInt(fields[1], 10, 53)
			return kb << 10, err == nil
		}
	}
	return 0, false
}

// groupLimit returns the least limit of the control groups of a process, given
// where they are mounted and its /proc/self/cgroup. A group is bound by those
// above it. In a container the mount may begin at the process's own group, so
// that the path does not exist; then the mount's root has the limit.
func groupLimit(root, groups string) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		dirs, file := []string{root, filepath.Join(root, "unified")}, "memory.max" // version 2
		if parts[1] != "" {
			if !slices.Contains(strings.Split(parts[1], ","), "memory") {
				continue
			}
			dirs, file = []string{filepath.Join(root, "memory")}, "memory.limit_in_bytes" // version 1
		}
		for _, dir := range dirs {
			for group := path.Clean("/" + parts[2]); ; group = path.Dir(group) {
				if text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(group), file)); err == nil {
					// No limit is "max", or in version 1 a number near 1<<63.
					if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
						least = min(least, n)
					}
				}
				if group == "/" {
					break
				}
			}
		}
	}
	return least
}
