// Package demo runs Tidemark on pictures that it makes itself: it fills a list
// with their hashes, edits them as people do before they post a picture again,
// and lets the real engine judge the edits and pictures that are on no list.
package demo

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
	"github.com/tidemark-project/tidemark/testdata"
)

const (
	// ListName is the list that the demo fills.
	ListName = "demo"
	// Uploads is the folder, in that of the store, where some uploads are kept.
	Uploads = "uploads"
	// exact is the row of copies that nothing was done to.
	exact = "the same file"
	// unrelated is the row of pictures that are on no list.
	unrelated = "other pictures"
	// The match that is explained in full.
	shownPicture, shownEdit = "raccoon", "mirrored"
	// strangers is how many pictures of each scene are on no list.
	strangers = 4
)

// unlisted are the photographs that stay off the list.
var unlisted = []string{"galaxies", "grass", "gravel"}

// Row is what became of one edit of every listed picture, or of the pictures
// that are on no list.
type Row struct {
	Edit     string   `json:"edit"`
	Uploads  int      `json:"uploads"`
	Found    int      `json:"found"` // matched the entry of their original
	Block    int      `json:"block"`
	Review   int      `json:"review"`
	Allow    int      `json:"allow"`
	Farthest int      `json:"farthest"` // greatest PDQ distance of those found
	Wrong    int      `json:"wrong"`    // matched an entry of another picture
	Missed   []string `json:"missed"`   // the pictures not found
}

// Report is the outcome of a run.
type Report struct {
	Pictures    int           `json:"pictures"` // made from code and listed
	Photographs int           `json:"photographs"`
	Faint       []string      `json:"faint"` // listed pictures of too low a quality to be matched by distance
	Status      store.Status  `json:"-"`
	Edits       []Row         `json:"-"`
	Unlisted    Row           `json:"-"`
	Explained   match.Answer  `json:"explained"`
	Uploads     int           `json:"uploads"`
	Median      time.Duration `json:"median_ns"` // from an upload's bytes to its answer
	Slowest     time.Duration `json:"slowest_ns"`
	Total       time.Duration `json:"total_ns"`
	Files       string        `json:"files,omitempty"` // folder of the uploads kept
}

// picture is an original: a file as it is known, and its pixels.
type picture struct {
	name   string
	file   []byte
	pixels *image.RGBA
}

// outcome is the engine's answer to one upload, and what it should have found.
type outcome struct {
	row     int // of Report.Edits; -1 if the upload is on no list
	picture string
	answer  match.Answer
	took    time.Duration
}

// Run makes the pictures, fills the list and matches the uploads. The list is
// kept in dir, with some of the uploads beside it; if dir is "", all is done in
// a temporary folder that is removed at the end. Run tells progress how many of
// all steps are done.
func Run(ctx context.Context, dir string, progress func(done, total int)) (rep Report, err error) {
	start := time.Now()
	keep := dir != ""
	if !keep {
		if dir, err = os.MkdirTemp("", "tidemark-demo-"); err != nil {
			return Report{}, fmt.Errorf("demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return Report{}, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := prepare(ctx, st); err != nil {
		return Report{}, err
	}
	listed, others, err := originals(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := rep.fill(ctx, st, listed); err != nil {
		return Report{}, err
	}
	eng, err := engine.New(ctx, st, match.Policy{}, media.Limits{}, 0)
	if err != nil {
		return Report{}, err
	}
	if keep {
		rep.Files = filepath.Join(dir, Uploads)
		if err := keepUploads(rep.Files, listed, others); err != nil {
			return Report{}, err
		}
	}
	outcomes, err := judge(ctx, eng, listed, others, progress)
	if err != nil {
		return Report{}, err
	}
	rep.Photographs = len(listed) - len(scenes)
	rep.Pictures = len(scenes)
	rep.sum(outcomes)
	rep.Total = time.Since(start)
	return rep, nil
}

// originals makes the pictures of the list and those that stay off it.
func originals(ctx context.Context) (listed, others []picture, err error) {
	photos, err := testdata.Photographs.ReadDir("photographs")
	if err != nil {
		return nil, nil, fmt.Errorf("demo: %w", err)
	}
	for _, p := range photos {
		file, err := testdata.Photographs.ReadFile("photographs/" + p.Name())
		if err != nil {
			return nil, nil, fmt.Errorf("demo: %w", err)
		}
		pixels, err := decode(file)
		if err != nil {
			return nil, nil, fmt.Errorf("demo: %s: %w", p.Name(), err)
		}
		pic := picture{strings.TrimSuffix(p.Name(), ".jpg"), file, pixels}
		if slices.Contains(unlisted, pic.name) {
			others = append(others, pic)
		} else {
			listed = append(listed, pic)
		}
	}
	// The first seed of each scene is listed, the others are strangers.
	drawn := make([]picture, len(scenes)*(1+strangers))
	err = parallel(ctx, len(drawn), func(i int) error {
		seed, s := i/len(scenes), scenes[i%len(scenes)]
		c := newCanvas(uint64(seed))
		s.draw(c)
		drawn[i] = picture{s.name, encode(c, 90), c.RGBA}
		if seed > 0 {
			drawn[i].name = fmt.Sprintf("%s-%d", s.name, seed)
		}
		return nil
	})
	return append(listed, drawn[:len(scenes)]...), append(others, drawn[len(scenes):]...), err
}

// prepare makes the list, unless it is there from another run.
func prepare(ctx context.Context, st *store.Store) error {
	lists, err := st.Lists(ctx)
	if err != nil {
		return err
	}
	for _, l := range lists {
		if l.Name != ListName {
			return fmt.Errorf("demo: the store holds the list %s; give the demo a folder of its own", l.Name)
		}
	}
	if len(lists) > 0 {
		return nil
	}
	return st.Create(ctx, store.List{Name: ListName, Mode: match.ModeBlock, Redistribute: true})
}

// fill puts the hashes of the pictures on the list.
func (rep *Report) fill(ctx context.Context, st *store.Store, listed []picture) error {
	entries := make([]store.Entry, len(listed))
	err := parallel(ctx, len(listed), func(i int) error {
		var h media.Hasher
		p, err := h.Hash(ctx, listed[i].file, hash.Full)
		if err != nil {
			return fmt.Errorf("demo: %s: %w", listed[i].name, err)
		}
		sum, digests := p.Frames[0].Full, hash.Digests(listed[i].file)
		entries[i] = store.Entry{ID: listed[i].name, Label: "made for the demo", Hashes: []store.Hash{
			{Hash: sum.PDQ.Hash(), Quality: sum.Quality},
			{Hash: digests[2], Quality: hash.UnknownQuality}, // SHA-256
		}}
		return nil
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Hashes[0].Quality < hash.MinQuality {
			rep.Faint = append(rep.Faint, e.ID)
		}
	}
	applied, err := st.Apply(ctx, ListName, store.Change{Put: entries, Note: "the demo's pictures"})
	rep.Status = applied.Status
	return err
}

// judge hands every edit of the listed pictures, and the others as they are,
// to the engine.
func judge(ctx context.Context, eng *engine.Engine, listed, others []picture, progress func(done, total int)) ([]outcome, error) {
	rows := 1 + len(edits)
	out := make([]outcome, rows*len(listed)+len(others))
	progress(0, len(out))
	var done atomic.Int64
	err := parallel(ctx, len(out), func(i int) error {
		o := outcome{row: -1}
		var pic picture
		var file []byte
		if k := i - rows*len(listed); k >= 0 {
			pic, file = others[k], others[k].file
		} else {
			pic, o.row = listed[i/rows], i%rows
			file = edited(pic, o.row)
		}
		o.picture = pic.name
		begin := time.Now()
		o.answer = eng.Match(ctx, engine.Request{Input: pic.name, Data: file})
		o.took = time.Since(begin)
		if o.answer.Decision == match.Undecided {
			return fmt.Errorf("demo: %s: %s", pic.name, o.answer.Words)
		}
		out[i] = o
		progress(int(done.Add(1)), len(out))
		return ctx.Err()
	})
	return out, err
}

// edited returns the file of a row of the report: the picture's own in row 0,
// then one edit after the other.
func edited(p picture, row int) []byte {
	if row == 0 {
		return p.file
	}
	e := edits[row-1]
	return encode(e.apply(p.pixels), e.quality)
}

// sum counts the outcomes.
func (rep *Report) sum(outcomes []outcome) {
	rep.Edits = make([]Row, 1+len(edits))
	rep.Edits[0].Edit = exact
	for i, e := range edits {
		rep.Edits[i+1].Edit = e.name
	}
	rep.Unlisted.Edit = unrelated
	took := make([]time.Duration, len(outcomes))
	for i, o := range outcomes {
		took[i] = o.took
		row := &rep.Unlisted
		if o.row >= 0 {
			row = &rep.Edits[o.row]
		}
		row.add(o)
		if o.picture == shownPicture && row.Edit == shownEdit {
			rep.Explained = o.answer
		}
	}
	slices.Sort(took)
	rep.Uploads, rep.Median, rep.Slowest = len(took), took[len(took)/2], took[len(took)-1]
}

func (r *Row) add(o outcome) {
	r.Uploads++
	switch o.answer.Decision {
	case match.Block:
		r.Block++
	case match.Review:
		r.Review++
	default:
		r.Allow++
	}
	nearest, found, wrong := 256, false, false
	for _, m := range o.answer.Matches {
		if m.Entry != o.picture {
			wrong = true
			continue
		}
		found = true
		if m.Kind == hash.KindPDQ {
			nearest = min(nearest, m.Distance)
		}
	}
	if wrong {
		r.Wrong++
	}
	switch {
	case found:
		r.Found++
		if nearest < 256 {
			r.Farthest = max(r.Farthest, nearest)
		}
	case o.row >= 0:
		r.Missed = append(r.Missed, o.picture)
	}
}

// keepUploads writes the edits of one picture, and one stranger, to dir.
func keepUploads(dir string, listed, others []picture) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	i := slices.IndexFunc(listed, func(p picture) bool { return p.name == shownPicture })
	files := map[string][]byte{shownPicture + ".jpg": listed[i].file, others[0].name + ".jpg": others[0].file}
	for row, e := range edits {
		files[fileName(e.name)] = edited(listed[i], row+1)
	}
	for name, file := range files {
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o644); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// ShownFile names the kept upload whose match the report explains.
func ShownFile() string { return fileName(shownEdit) }

func fileName(edit string) string {
	return shownPicture + "-" + strings.Fields(edit)[0] + ".jpg"
}

// parallel calls f for 0 to n-1, on as many goroutines as there are CPUs, and
// returns the first error, after which no new call is made.
func parallel(ctx context.Context, n int, f func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
