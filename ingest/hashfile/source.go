package hashfile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
)

// Source is a file, a folder of files, or a file on a server as a source. The
// list becomes what the files hold: what they hold no more is removed. It is
// read when it changed: a file's size or time, the files of a folder, or the
// server's ETag.
type Source struct {
	Path    string          // of the file or folder; "" for one on a server
	Fetcher *ingest.Fetcher // of the file on a server, at the service's URL
	Options
}

// Identity names the file.
func (s *Source) Identity() string {
	if s.Fetcher != nil {
		return fmt.Sprintf("file %s kind %s", s.Fetcher.Address("", nil), s.Kind)
	}
	return fmt.Sprintf("file %s kind %s", s.Path, s.Kind)
}

// version is a checkpoint: what the files were when they were last read whole.
type version struct {
	Tag string `json:"tag"`
}

// editsAtOnce is how many entries a change has.
const editsAtOnce = 4096

// Changes yields all entries, or nothing if the files are as they were.
func (s *Source) Changes(ctx context.Context, after ingest.Checkpoint) iter.Seq2[ingest.Change, error] {
	return func(yield func(ingest.Change, error) bool) {
		var was version
		if after != nil {
			if err := json.Unmarshal(after, &was); err != nil {
				yield(ingest.Change{}, errors.New("hashfile: the checkpoint is malformed"))
				return
			}
		}
		r := reading{yield: yield, seed: maphash.MakeSeed(), once: map[uint64]bool{}, kept: map[string]*ingest.Edit{}, options: s.Options}
		var err error
		if s.Fetcher != nil {
			err = s.readURL(ctx, &r, was)
		} else {
			err = s.readPath(ctx, &r, was)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(ingest.Change{}, err)
		}
	}
}

var errStopped = errors.New("stopped")

func (s *Source) readURL(ctx context.Context, r *reading, was version) error {
	var text bytes.Buffer
	call := ingest.Call{URL: s.Fetcher.Address("", nil), Decode: func(body io.Reader) error {
		text.Reset()
		_, err := text.ReadFrom(body)
		return err
	}}
	if was.Tag != "" {
		call.Header = http.Header{"If-None-Match": {was.Tag}}
	}
	reply, err := s.Fetcher.Do(ctx, call)
	if err != nil || reply.Unchanged {
		return err
	}
	tag := reply.ETag
	if tag == "" {
		// A server without tags sends the file each time.
		sum := sha256.Sum256(text.Bytes())
		if tag = hex.EncodeToString(sum[:]); tag == was.Tag {
			return nil
		}
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return r.read(ctx, version{tag}, []part{{"", open}})
}

func (s *Source) readPath(ctx context.Context, r *reading, was version) error {
	tag, parts, err := s.stat()
	if err != nil || tag == was.Tag {
		return err
	}
	r.unchanged = func() error {
		if now, _, err := s.stat(); err != nil || now != tag {
			return errors.Join(err, fmt.Errorf("hashfile: %s changed while it was read", s.Path))
		}
		return nil
	}
	return r.read(ctx, version{tag}, parts)
}

// part is one of the files that are read as one.
type part struct {
	name string
	open func() (io.ReadCloser, error)
}

// stat returns the files and a digest of their names, sizes and times. In a
// folder, names that begin with a dot are left out, so that a file can be
// written under one and then renamed.
func (s *Source) stat() (tag string, parts []part, err error) {
	paths := []string{s.Path}
	top, err := os.Stat(s.Path)
	if err != nil {
		return "", nil, fmt.Errorf("hashfile: %w", err)
	}
	if top.IsDir() {
		paths = nil
		all, err := os.ReadDir(s.Path) // in the order of names
		if err != nil {
			return "", nil, fmt.Errorf("hashfile: %w", err)
		}
		for _, f := range all {
			if !strings.HasPrefix(f.Name(), ".") && !f.IsDir() {
				paths = append(paths, filepath.Join(s.Path, f.Name()))
			}
		}
	}
	digest := sha256.New()
	for _, path := range paths {
		f, err := os.Stat(path)
		if err != nil {
			return "", nil, fmt.Errorf("hashfile: %w", err)
		}
		if !f.Mode().IsRegular() {
			return "", nil, fmt.Errorf("hashfile: %s is no regular file", path)
		}
		fmt.Fprintf(digest, "%q %d %d\n", f.Name(), f.Size(), f.ModTime().UnixNano())
		parts = append(parts, part{f.Name() + ": ", func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	return hex.EncodeToString(digest.Sum(nil)), parts, nil
}

// reading is one run over the files. They are read twice: the first time tells
// which entries stand in several places, so that only these are held in memory,
// beside 20 bytes for each entry.
type reading struct {
	options   Options
	yield     func(ingest.Change, error) bool
	unchanged func() error // nil if the files can't change

	seed maphash.Seed
	once map[uint64]bool // digests of ids; true for those in several places
	kept map[string]*ingest.Edit

	change  ingest.Change
	entry   *ingest.Edit // being read
	entries int
}

func (r *reading) read(ctx context.Context, now version, parts []part) error {
	last := ""
	err := r.each(ctx, parts, func(rec Record) error {
		if rec.Entry != last {
			last = strings.Clone(rec.Entry)
			_, again := r.once[maphash.String(r.seed, last)]
			r.once[maphash.String(r.seed, last)] = again
		}
		return nil
	}, func(string) {})
	if err != nil {
		return err
	}
	r.change.Restart = true
	err = r.each(ctx, parts, r.add, func(why string) { r.change.Bad = append(r.change.Bad, ingest.Bad{Why: why}) })
	if err != nil {
		return err
	}
	if err := r.close(); err != nil {
		return err
	}
	for _, e := range r.kept {
		if err := r.edit(*e); err != nil {
			return err
		}
	}
	if r.unchanged != nil {
		if err := r.unchanged(); err != nil {
			return err
		}
	}
	if r.entries == 0 {
		return errors.New("hashfile: the file holds no hash; that is not taken for an emptied list")
	}
	if r.change.Next, err = json.Marshal(now); err != nil {
		return err
	}
	return r.send()
}

// each calls f for each hash of the files, and bad for each bad line.
func (r *reading) each(ctx context.Context, parts []part, f func(Record) error, bad func(string)) error {
	n := 0
	for _, p := range parts {
		in, err := p.open()
		if err != nil {
			return fmt.Errorf("hashfile: %w", err)
		}
		for rec, err := range Read(in, r.options) {
			if n++; n%1024 == 0 && ctx.Err() != nil {
				in.Close()
				return ctx.Err()
			}
			var line *LineError
			if errors.As(err, &line) {
				bad(p.name + line.Error())
				continue
			}
			if err == nil {
				err = f(rec)
			}
			if err != nil {
				in.Close()
				return err
			}
		}
		in.Close()
	}
	return nil
}

// add takes a hash.
func (r *reading) add(rec Record) error {
	if r.once[maphash.String(r.seed, rec.Entry)] {
		e := r.kept[rec.Entry]
		if e == nil {
			e = &ingest.Edit{Entry: store.Entry{ID: strings.Clone(rec.Entry)}}
			r.kept[e.ID] = e
		}
		if rec.Label != "" {
			e.Label = strings.Clone(rec.Label)
		}
		e.Hashes = append(e.Hashes, rec.Hash)
		return nil
	}
	if r.entry != nil && r.entry.ID != rec.Entry {
		if err := r.close(); err != nil {
			return err
		}
	}
	if r.entry == nil {
		r.entry = &ingest.Edit{Entry: store.Entry{ID: strings.Clone(rec.Entry)}}
	}
	if rec.Label != "" {
		r.entry.Label = strings.Clone(rec.Label)
	}
	r.entry.Hashes = append(r.entry.Hashes, rec.Hash)
	return nil
}

// close ends the entry that is being read.
func (r *reading) close() error {
	if r.entry == nil {
		return nil
	}
	e := *r.entry
	r.entry = nil
	return r.edit(e)
}

func (r *reading) edit(e ingest.Edit) error {
	r.entries++
	if r.change.Edits = append(r.change.Edits, e); len(r.change.Edits) < editsAtOnce {
		return nil
	}
	return r.send()
}

func (r *reading) send() error {
	c := r.change
	r.change = ingest.Change{}
	if !r.yield(c, nil) {
		return errStopped
	}
	return nil
}
