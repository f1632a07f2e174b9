package server

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

// pictRS answers pict-rs, which asks about each picture before it keeps it: any
// 2xx takes the picture in, anything else refuses it. What is for review goes
// in, for pict-rs can't keep it back; the event tells who is to look.
func (s *Server) pictRS(c *call) error {
	u, err := s.readUpload(c)
	defer func() { u.release() }()
	if err != nil {
		return err
	}
	if u.unread {
		return problem(http.StatusForbidden, string(match.Encrypted), "the surface is encrypted, so the upload was not read", "don't send private messages here")
	}
	a, err := s.judgeFile(c.r.Context(), u, time.Now())
	if err != nil {
		return err
	}
	if a.Act() == match.Block {
		return problem(http.StatusForbidden, "refused", "the picture is not to be kept", "refuse the upload")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// Mastodon is a Mastodon server that tells of posts by its webhooks. Its
// requests have no key; they are signed with a secret that Mastodon makes.
type Mastodon struct {
	Secret  []byte
	Surface string // what the posts are on
}

// mastodonTime is how long Mastodon is kept waiting, which gives up after 10
// seconds and asks again later.
const mastodonTime = 8 * time.Second

// maxPosts bounds what a webhook sends, in bytes, and maxAttachments what a post
// has.
const (
	maxPost        = 1 << 20
	maxAttachments = 16
)

// signed reads the body and reports whether it is signed as Mastodon does.
func (s *Server) signed(c *call) (bool, error) {
	given, ok := strings.CutPrefix(c.r.Header.Get("X-Hub-Signature"), "sha256=")
	sum, err := hex.DecodeString(given)
	if s.Mastodon == nil || !ok || err != nil {
		return false, nil
	}
	leave, err := s.admitStranger(maxPost)
	if err != nil {
		return false, err
	}
	defer leave()
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxPost))
	if err != nil {
		return false, nil
	}
	mac := hmac.New(sha256.New, s.Mastodon.Secret)
	mac.Write(body)
	c.body = body
	return hmac.Equal(sum, mac.Sum(nil)), nil
}

// post is the part of a webhook's body that is read before it is known whether
// the post is public, and attachments what is read then.
type post struct {
	Event  string `json:"event"`
	Object struct {
		ID         string `json:"id"`
		Visibility string `json:"visibility"`
	} `json:"object"`
}

type attachments struct {
	Object struct {
		Media []struct {
			ID  string `json:"id"`
			URL string `json:"url"`
		} `json:"media_attachments"`
	} `json:"object"`
}

// Posted is what POST /v1/adapters/mastodon answers.
type Posted struct {
	V      int          `json:"v"`
	Judged []Attachment `json:"judged"`
}

// Attachment is what is to be done with a picture of a post.
type Attachment struct {
	ContentID string         `json:"content_id"` // ids of the post and of the picture
	Decision  match.Decision `json:"decision"`
	Reason    match.Reason   `json:"reason"`
}

// mastodon judges the pictures of a public post. One that is not public is
// refused unread: nothing but its visibility is looked at.
func (s *Server) mastodon(c *call) error {
	var p post
	if err := json.Unmarshal(c.body, &p); err != nil {
		return badRequest("the body is no webhook of Mastodon")
	}
	switch public := p.Object.Visibility == "public" || p.Object.Visibility == "unlisted"; {
	case p.Event != "status.created" && p.Event != "status.updated":
		s.metrics.posts.WithLabelValues("other").Inc()
		return writeJSON(c.w, http.StatusOK, Posted{1, []Attachment{}})
	case !public:
		// Not an error, after which Mastodon would send it again.
		s.metrics.posts.WithLabelValues("not_public").Inc()
		return writeJSON(c.w, http.StatusOK, Posted{1, []Attachment{}})
	}
	var media attachments
	if err := json.Unmarshal(c.body, &media); err != nil || len(media.Object.Media) > maxAttachments {
		return badRequest("the post has no list of up to %d attachments", maxAttachments)
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), mastodonTime)
	defer cancel()
	told := Posted{1, []Attachment{}}
	for _, m := range media.Object.Media {
		a, err := s.judgeAt(ctx, m.URL, p.Object.ID+"/"+m.ID, s.Mastodon.Surface)
		if err != nil {
			return err
		}
		told.Judged = append(told.Judged, Attachment{a.Input, a.Act(), a.Reason})
	}
	s.metrics.posts.WithLabelValues("judged").Inc()
	return writeJSON(c.w, http.StatusOK, told)
}

// judgeAt judges the file at an address.
func (s *Server) judgeAt(ctx context.Context, address, contentID, surface string) (match.Answer, error) {
	u := &upload{contentID: contentID, surface: surface, release: func() {}}
	defer func() { u.release() }()
	if s.policy().Surfaces[surface].Encrypted {
		u.unread = true
	} else if _, err := s.fetch(ctx, u, address); err != nil {
		return match.Answer{}, err
	}
	return s.judgeFile(ctx, u, time.Now())
}
