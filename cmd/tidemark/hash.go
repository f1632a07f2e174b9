package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/goimage"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/match"
)

type hashCmd struct {
	Kind      []string `short:"k" placeholder:"KIND" default:"pdq" help:"Kinds to compute: pdq, pdq-512, md5, sha1, sha256, phash, dhash, ahash (${default})."`
	Recursive bool     `short:"r" help:"Hash all files in folders and below."`
	Files     []string `arg:"" name:"file" help:"Files to hash; - is standard input."`
}

func (hashCmd) Help() string {
	return `
Prints the hashes of files, in the order given: one line a hash, or with --json one line a file.
A file that could not be hashed has its line too, and makes the exit code 3. Digests are those of
the file's bytes, whatever it is; the other kinds need a picture: JPEG, PNG, GIF, WebP, AVIF, BMP or
TIFF, and HEIC in a program that was built with the tag heic.

Examples:

    tidemark hash cat.jpg
    tidemark hash --kind pdq,pdq-512,sha256 cat.jpg dog.png
    tidemark hash --json -r photos
    curl -s https://example.com/cat.jpg | tidemark hash -`
}

// hashLine is what --json prints of a file.
type hashLine struct {
	V           int          `json:"v"`
	File        string       `json:"file"`
	Format      string       `json:"format,omitempty"`
	Width       int          `json:"width,omitempty"`
	Height      int          `json:"height,omitempty"`
	Orientation int          `json:"orientation,omitempty"`
	Frames      int          `json:"frames,omitempty"`    // of an animation
	Truncated   bool         `json:"truncated,omitempty"` // the file ends early
	Hashes      []match.Hash `json:"hashes,omitempty"`
	Error       *match.Error `json:"error,omitempty"`
}

// pixelsAtOnce bounds the pixels that are decoded at a time, whatever the
// number of cores: four pictures of the largest size, or a hundred usual ones.
const pixelsAtOnce = 400e6

func (c *hashCmd) Run(ctx context.Context, s *session) error {
	kinds, err := parseKinds(c.Kind)
	if err != nil {
		return err
	}
	work := hasher{kinds: kinds, limits: s.limits(), stdin: s.stdin, budget: media.NewBudget(pixelsAtOnce)}
	all, widest := -1, 0
	if isTerminal(s.stdout) || isTerminal(s.stderr) {
		all, widest = c.survey()
	}
	out := s.hashPrinter(kinds, widest)
	bar := s.newProgress("files")
	defer bar.done()

	total, failed := 0, 0
	err = media.Each(ctx, 0, c.paths(), work.line, func(_ input, l hashLine) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		total++
		if l.Error != nil {
			failed++
		}
		bar.clear()
		if err := out(l); err != nil {
			return err
		}
		bar.set(total, all)
		return nil
	})
	bar.done()
	switch {
	case err != nil:
		return err
	case failed > 0:
		return exit{exitSomeFailed, fmt.Errorf("%d of %s could not be hashed", failed, count(total, "file"))}
	}
	return nil
}

func parseKinds(names []string) ([]hash.Kind, error) {
	if len(names) == 0 {
		return nil, errors.New("--kind names no kind")
	}
	var kinds []hash.Kind
	for _, name := range names {
		k, err := hash.ParseKind(name)
		if err != nil {
			return nil, err
		}
		if k.Size() == 0 {
			return nil, fmt.Errorf("%s is not computed here; tidemark stores it and compares it for equality", k)
		}
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds, nil
}

// input is a file to hash, or what kept a folder from being read.
type input struct {
	name string
	err  error
}

// paths yields the files that the command line names, and those in its folders
// if it is recursive, in the order of their names.
func (c *hashCmd) paths() iter.Seq[input] {
	return func(yield func(input) bool) {
		for _, name := range c.Files {
			info, err := os.Stat(name)
			if !c.Recursive || err != nil || !info.IsDir() {
				if !yield(input{name, nil}) {
					return
				}
				continue
			}
			err = filepath.WalkDir(name, func(name string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					return nil
				}
				if !yield(input{name, err}) {
					return fs.SkipAll
				}
				return nil
			})
			if err == fs.SkipAll {
				return
			}
		}
	}
}

// survey returns how many files there are to hash, and the width of their
// names.
func (c *hashCmd) survey() (n, widest int) {
	for in := range c.paths() {
		n, widest = n+1, max(widest, len(in.name))
	}
	return n, min(widest, maxNameWidth)
}

// hasher hashes files by several kinds.
type hasher struct {
	kinds   []hash.Kind
	limits  media.Limits
	stdin   func() io.Reader
	budget  *media.Budget
	buffers sync.Pool // of *[]byte, each the bytes of a file
}

// line returns the line of a file.
func (w *hasher) line(ctx context.Context, h *media.Hasher, p input) hashLine {
	h.Limits, h.Budget = w.limits, w.budget
	l := hashLine{V: 1, File: p.name}
	err := p.err
	if err == nil {
		err = w.hash(ctx, h, p.name, &l)
	}
	if err != nil {
		l.Error = lineError(err)
	}
	slices.SortStableFunc(l.Hashes, func(a, b match.Hash) int {
		return slices.Index(w.kinds, a.Kind) - slices.Index(w.kinds, b.Kind)
	})
	return l
}

// lineError returns err as it is told in the place of a result.
func lineError(err error) *match.Error {
	if e, ok := errors.AsType[*media.Error](err); ok {
		return &match.Error{Code: string(e.Code), Message: e.Err.Error()}
	}
	return &match.Error{Code: string(media.Unreadable), Message: err.Error()}
}

// hash fills l with the hashes of a file. Of a file that is no picture, or not
// a sound one, it gives the digests and the error.
func (w *hasher) hash(ctx context.Context, h *media.Hasher, name string, l *hashLine) error {
	buffer, _ := w.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer w.buffers.Put(buffer)
	err := w.read(name, buffer)
	digests := slices.ContainsFunc(w.kinds, hash.Kind.Digest)
	pictures := slices.ContainsFunc(w.kinds, func(k hash.Kind) bool { return !k.Digest() })
	switch {
	case err == nil && digests:
		w.addDigests(hash.Digests(*buffer), l)
	case isTooLarge(err) && digests:
		// It need not fit in memory for its digests.
		sums, streamErr := w.stream(name, *buffer)
		if streamErr != nil {
			return streamErr
		}
		w.addDigests(sums, l)
		if !pictures {
			return nil
		}
	}
	switch {
	case err != nil:
		return err
	case pictures:
		return w.hashPicture(ctx, h, *buffer, l)
	}
	if info, err := h.Stat(*buffer); err == nil {
		l.describe(info)
	}
	return nil
}

// read reads a file, or standard input for "-", into buffer.
func (w *hasher) read(name string, buffer *[]byte) error {
	var err error
	if name != "-" {
		*buffer, err = media.ReadFile(name, w.limits, *buffer)
		return err
	}
	*buffer, err = io.ReadAll(io.LimitReader(w.stdin(), w.limits.Bytes+1))
	if err == nil && int64(len(*buffer)) > w.limits.Bytes {
		err = &media.Error{Code: media.TooLarge, Err: fmt.Errorf("the input has more than the limit of %d bytes", w.limits.Bytes)}
	}
	return err
}

func isTooLarge(err error) bool {
	e, ok := errors.AsType[*media.Error](err)
	return ok && e.Code == media.TooLarge
}

// stream returns the digests of a file of any size, or of standard input, of
// which the front was read before.
func (w *hasher) stream(name string, front []byte) ([3]hash.Hash, error) {
	var d hash.Digester
	var in io.Reader
	if name == "-" {
		d.Write(front)
		in = w.stdin()
	} else {
		f, err := os.Open(name)
		if err != nil {
			return [3]hash.Hash{}, err
		}
		defer f.Close()
		in = f
	}
	if _, err := io.Copy(&d, in); err != nil {
		return [3]hash.Hash{}, err
	}
	return d.Sums(), nil
}

func (w *hasher) addDigests(sums [3]hash.Hash, l *hashLine) {
	for _, k := range w.kinds {
		for _, d := range sums {
			if d.Kind == k {
				l.add(d, hash.UnknownQuality, nil)
			}
		}
	}
}

// hashPicture adds the kinds that need pixels. The 64-bit kinds are those of
// the first frame.
func (w *hasher) hashPicture(ctx context.Context, h *media.Hasher, file []byte, l *hashLine) error {
	var f hash.Function
	if slices.Contains(w.kinds, hash.KindPDQ) {
		f |= hash.Full
	}
	if slices.Contains(w.kinds, hash.KindPDQ512) {
		f |= hash.Shrink512
	}
	if f != 0 {
		p, err := h.Hash(ctx, file, f)
		l.describe(p.Info)
		if err != nil {
			return err
		}
		for _, frame := range p.Frames {
			var at *int
			if p.Info.Frames > 1 {
				at = &frame.Index
			}
			if f&hash.Full != 0 {
				l.add(frame.Full.PDQ.Hash(), frame.Full.Quality, at)
			}
			if f&hash.Shrink512 != 0 {
				l.add(hash.Hash{Kind: hash.KindPDQ512, Value: frame.Shrunk.PDQ.Hash().Value}, frame.Shrunk.Quality, at)
			}
		}
	}
	var img image.Image
	for _, k := range w.kinds {
		if k.Digest() || k == hash.KindPDQ || k == hash.KindPDQ512 {
			continue
		}
		if img == nil {
			var info media.Info
			var err error
			img, info, err = h.Decode(ctx, file)
			l.describe(info)
			if err != nil {
				return err
			}
		}
		sum, err := goimage.Sum(img, k)
		if err != nil {
			return &media.Error{Code: media.Undecodable, Err: err}
		}
		l.add(sum, hash.UnknownQuality, nil)
	}
	return nil
}

// describe takes over what is known of the picture.
func (l *hashLine) describe(info media.Info) {
	if info.Format == "" {
		return
	}
	l.Format, l.Width, l.Height, l.Orientation = info.Format, info.Width, info.Height, info.Orientation
	l.Truncated = l.Truncated || info.Truncated
	if info.Frames > 1 {
		l.Frames = info.Frames
	}
}

func (l *hashLine) add(h hash.Hash, q hash.Quality, frame *int) {
	l.Hashes = append(l.Hashes, match.Hash{Kind: h.Kind, Value: h.Text(), Quality: q, Frame: frame})
}

// hashPrinter returns a function that prints the lines.
func (s *session) hashPrinter(kinds []hash.Kind, widest int) func(hashLine) error {
	if s.json {
		lines := jsonLines(s.stdout)
		return func(l hashLine) error { return lines.Encode(l) }
	}
	t := s.newTable(column{title: "FILE", width: widest}, column{title: "KIND", hue: hueOfError}, column{title: "VALUE"}, column{title: "QUALITY", right: true}, column{title: "FRAME", right: true})
	for _, k := range kinds {
		t.columns[1].width = max(t.columns[1].width, len(k))
		t.columns[2].width = max(t.columns[2].width, 2*k.Size())
	}
	return func(l hashLine) error {
		for _, h := range l.Hashes {
			quality, frame := "", ""
			if !h.Quality.IsZero() {
				quality = strconv.Itoa(int(h.Quality))
			}
			if h.Frame != nil {
				frame = strconv.Itoa(*h.Frame)
			}
			t.row(l.File, string(h.Kind), h.Value, quality, frame)
		}
		if l.Error != nil {
			t.row(l.File, "error", l.Error.Code+": "+l.Error.Message, "", "")
		}
		return t.flush()
	}
}

func hueOfError(cell string) colour {
	if cell == "error" {
		return red
	}
	return plain
}
