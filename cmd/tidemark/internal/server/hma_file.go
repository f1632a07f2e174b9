package server

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/match"
)

func (s *Server) hmaLookupFile(c *call) error {
	f, err := s.hmaForm(c)
	defer f.release()
	if err != nil {
		return err
	}
	all, err := s.hmaFound(c, f)
	return s.hmaAnswer(c, all, err)
}

// hmaFound looks a file up by all its hashes. The kinds that HMA has are in the
// answer whether or not they match.
func (s *Server) hmaFound(c *call, f *hmaFile) (map[string]banked, error) {
	sums, hashes, err := s.hmaSums(c, f)
	if err != nil {
		return nil, err
	}
	a, err := s.hmaJudge(c, hashes)
	if err != nil {
		return nil, err
	}
	all := hmaBanked(a, c.r)
	for name := range sums {
		all[name] = orEmpty(all[name])
	}
	return all, nil
}

func (s *Server) hmaHashURL(c *call) error {
	if c.r.URL.Query().Get("url") == "" {
		return hmaError(http.StatusBadRequest, "url is required")
	}
	f, err := s.hmaFetch(c)
	defer f.release()
	if err != nil {
		return err
	}
	sums, _, err := s.hmaSums(c, f)
	return s.hmaAnswer(c, sums, err)
}

func (s *Server) hmaHash(c *call) error {
	f, err := s.hmaForm(c)
	defer f.release()
	if err != nil {
		return err
	}
	sums, _, err := s.hmaSums(c, f)
	return s.hmaAnswer(c, sums, err)
}

// hmaFile is a file that came, and what came with it.
type hmaFile struct {
	upload
	content string // photo or video
	fields  map[string]string
}

// release gives back what the file holds.
func (f *hmaFile) release() { f.upload.release() }

func newHMAFile() *hmaFile {
	return &hmaFile{upload: upload{release: func() {}}, fields: map[string]string{}}
}

var hmaContents = []string{"photo", "video"}

// hmaFetch gets the file at the address that a request names. The caller
// releases it, whatever the error.
func (s *Server) hmaFetch(c *call) (*hmaFile, error) {
	f, q := newHMAFile(), c.r.URL.Query()
	kind, err := s.fetch(c.r.Context(), &f.upload, q.Get("url"))
	if err != nil {
		return f, err
	}
	f.content = q.Get("content_type")
	switch {
	case f.content != "" && !slices.Contains(hmaContents, f.content):
		return f, hmaError(http.StatusBadRequest, "no such content_type: '%.40s'", f.content)
	case f.content != "":
	case strings.HasPrefix(strings.ToLower(kind), "image"):
		f.content = "photo"
	case strings.HasPrefix(strings.ToLower(kind), "video"):
		f.content = "video"
	default:
		return f, hmaError(http.StatusBadRequest, "unsupported url ContentType: '%.40s', if you know the expected type, provide it with the content_type query param", kind)
	}
	return f, nil
}

// hmaForm reads a form with one file, whose field is called by its content, and
// other fields before or after it. The caller releases it, whatever the error.
func (s *Server) hmaForm(c *call) (*hmaFile, error) {
	f := newHMAFile()
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return f, hmaError(http.StatusBadRequest, "Missing multipart/form-data file upload")
	}
	form := multipart.NewReader(c.r.Body, params["boundary"])
	for range 8 {
		part, err := form.NextRawPart()
		if err == io.EOF {
			break
		} else if err != nil {
			return f, unreadable(err)
		}
		name := part.FormName()
		switch {
		case part.FileName() == "":
			value, err := io.ReadAll(io.LimitReader(part, maxField+1))
			if err != nil {
				return f, unreadable(err)
			}
			if len(value) <= maxField { // what is longer is nothing that is kept
				f.fields[name] = string(value)
			}
			_, err = io.Copy(io.Discard, io.LimitReader(part, maxJSON))
			if err != nil {
				return f, unreadable(err)
			}
		case f.content != "":
			return f, hmaError(http.StatusBadRequest, "Only one file allowed per request")
		case !slices.Contains(hmaContents, name):
			return f, hmaError(http.StatusBadRequest, "no such content_type: '%.40s'", name)
		default:
			f.content = name
			if err := s.readFile(&f.upload, part, -1); err != nil {
				return f, err
			}
		}
	}
	if f.content == "" {
		return f, hmaError(http.StatusBadRequest, "Missing multipart/form-data file upload")
	}
	return f, nil
}

// hmaSums returns the hashes of a file as HMA names and tells them, and as they
// are looked up: more of them, for a copy that is turned or of another PDQ
// function is a copy. A picture of low quality has a pdq of "".
func (s *Server) hmaSums(c *call, f *hmaFile) (sums map[string]string, hashes []match.Hash, err error) {
	sums = map[string]string{}
	for _, d := range hash.Digests(f.file) {
		hashes = append(hashes, match.Hash{Kind: d.Kind, Value: d.Text(), Quality: hash.UnknownQuality})
	}
	if f.content == "video" {
		sums["video_md5"] = hashes[0].Value
	} else {
		p, leave, err := s.hmaPicture(c, f)
		if err != nil {
			return nil, nil, err
		}
		defer leave()
		sums["pdq"] = ""
		for i, frame := range p.Frames {
			if i == 0 && frame.Full.Quality >= hash.MinQuality {
				sums["pdq"] = frame.Full.PDQ.String()
			}
			for _, sum := range []hash.Sum{frame.Full, frame.Shrunk} {
				hashes = append(hashes, match.Hash{Kind: hash.KindPDQ, Value: sum.PDQ.String(), Quality: sum.Quality})
				for _, turned := range sum.Dihedral[1:] {
					hashes = append(hashes, match.Hash{Kind: hash.KindPDQ, Value: turned.String(), Quality: sum.Quality})
				}
			}
		}
	}
	return sums, hashes, chosen(sums, c.r.URL.Query().Get("types"))
}

// chosen leaves of sums those that a request asks for.
func chosen(sums map[string]string, types string) error {
	if types == "" {
		return nil
	}
	var names []string
	for name := range strings.SplitSeq(types, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if _, ok := sums[name]; !ok {
			return hmaError(http.StatusBadRequest, "signal type '%.40s' doesn't exist or is disabled", name)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return hmaError(http.StatusBadRequest, "empty signal type selection")
	}
	for name := range sums {
		if !slices.Contains(names, name) {
			delete(sums, name)
		}
	}
	return nil
}

// hmaPicture decodes and hashes a picture, as many at a time as the gate lets in.
// Until leave is called, the picture is the caller's.
func (s *Server) hmaPicture(c *call, f *hmaFile) (p media.Picture, leave func(), err error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), judgeTime)
	out, err := s.enter(ctx, &f.upload)
	if err != nil {
		cancel()
		return p, nil, err
	}
	h := s.hashers.Get().(*media.Hasher)
	leave = func() {
		s.hashers.Put(h)
		out()
		cancel()
	}
	p, err = h.Hash(ctx, f.file, hash.Full|hash.Shrink512)
	if p.Truncated && err == nil {
		err = &media.Error{Code: media.Undecodable, Err: errors.New("the file ends early")}
	}
	if err != nil {
		leave()
		return p, nil, err
	}
	return p, leave, nil
}
