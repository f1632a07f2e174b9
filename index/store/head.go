package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The head file says, outside Badger, what Badger must hold: the store's
// revision, which each write raises by one, and for each list the digest of
// its record. Badger replays its log up to the first bad byte and takes that
// for the end, so a flipped bit can cut off any number of acknowledged writes
// without an error; the head file is where that shows. A list's record names
// the digests of its chain and of its state, so all that a list holds hangs on
// this file.
//
//	tidemark store 2
//	revision 42
//	list 5f0c...  7 9b1e... 3a77... take-it-down     (id, seq, root, digest of the list's record, name)
//	sum 77ab...                               (SHA-256 of all lines before)
//
// It is written beside before Badger commits and renamed after, both synced:
// killed between, the file is one revision behind, and Badger's meta record
// says which list that revision changed.
const (
	headName   = "HEAD"
	headMark   = "tidemark store "
	format     = 2
	badgerName = "badger"
	lockName   = "LOCK"
)

type head struct {
	rev   uint64
	lists map[listID]headList
}

type headList struct {
	seq    uint64
	root   string
	digest digest
	name   string
}

// FormatError says that a folder was written in another format.
type FormatError struct {
	Dir  string
	Have int // the folder's
	Want int // this program's
}

func (e *FormatError) Error() string {
	if e.Have < e.Want {
		return fmt.Sprintf("store: %s has format %d and this program writes %d: export its lists with the program that wrote it and import them into a new folder", e.Dir, e.Have, e.Want)
	}
	return fmt.Sprintf("store: %s has format %d and this program reads %d: use a newer tidemark", e.Dir, e.Have, e.Want)
}

func (h *head) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s%d\nrevision %d\n", headMark, format, h.rev)
	for _, id := range sortedIDs(h.lists) {
		l := h.lists[id]
		fmt.Fprintf(&b, "list %v %d %s %x %s\n", id, l.seq, l.root, l.digest, l.name)
	}
	return []byte(sealHead(b.String()))
}

// sealHead appends the last line.
func sealHead(text string) string {
	return fmt.Sprintf("%ssum %x\n", text, sha256.Sum256([]byte(text)))
}

var errHead = errors.New("the head file is damaged")

// readHead reads the head file of dir.
func readHead(dir string) (h head, err error) {
	b, err := os.ReadFile(filepath.Join(dir, headName))
	if err != nil {
		return h, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	num, ok := strings.CutPrefix(line, headMark)
	n, err := strconv.Atoi(num)
	if !ok || err != nil || n < 1 {
		return h, errHead
	}
	at := bytes.LastIndex(b, []byte("sum "))
	if at < 0 || string(b) != sealHead(string(b[:at])) {
		return h, errHead
	}
	if n != format {
		return h, &FormatError{Dir: dir, Have: n, Want: format}
	}
	h.lists = make(map[listID]headList)
	sc := bufio.NewScanner(bytes.NewReader(b[len(line)+1 : at]))
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		switch {
		case len(f) == 2 && f[0] == "revision":
			h.rev, err = strconv.ParseUint(f[1], 10, 64)
		case len(f) == 6 && f[0] == "list":
			err = h.decodeList(f[1:])
		default:
			err = errHead
		}
		if err != nil {
			return h, errHead
		}
	}
	return h, sc.Err()
}

func (h *head) decodeList(f []string) (err error) {
	var id listID
	var l headList
	if _, err = hex.Decode(id[:], []byte(f[0])); err != nil || len(f[0]) != 2*len(id) {
		return errHead
	}
	if l.seq, err = strconv.ParseUint(f[1], 10, 64); err != nil {
		return err
	}
	l.root = f[2]
	if len(f[3]) != 2*len(l.digest) {
		return errHead
	}
	if _, err = hex.Decode(l.digest[:], []byte(f[3])); err != nil {
		return err
	}
	l.name = f[4]
	h.lists[id] = l
	return nil
}

// prepareHead writes the next head file beside the present one.
func prepareHead(dir string, h *head) error {
	f, err := os.OpenFile(filepath.Join(dir, headName+".next"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(h.encode())
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// installHead makes the prepared head file the present one.
func installHead(dir string) error {
	if err := os.Rename(filepath.Join(dir, headName+".next"), filepath.Join(dir, headName)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// emptyDir reports whether dir holds nothing.
func emptyDir(dir string) (bool, error) {
	f, err := os.Open(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
