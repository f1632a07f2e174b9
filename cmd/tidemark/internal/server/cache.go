package server

import (
	"container/list"
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// The bounds of the cache: some 10 kB an answer at most.
const (
	cacheAnswers  = 4096
	cacheMatches  = 8  // of an answer that is kept
	cacheHashes   = 40 // of an answer that is kept
	cacheSurfaces = 64
)

// cache holds the answers to files that came lately, so that the copies of one
// that goes round are not decoded again. An answer is found by the digest of the
// very bytes and by all that it rests on, which are the surface, the policy and
// the versions of the lists; when one of these changes, the answers before are
// dropped. Answers that leave something undecided are not kept.
type cache struct {
	mu    sync.Mutex
	byKey map[answerKey]*list.Element
	order list.List               // of *cached, the latest first
	now   map[string]engine.Basis // by surface, what answers rest on
}

type answerKey struct {
	basis engine.Basis
	file  [sha256.Size]byte
}

type cached struct {
	key    answerKey
	answer match.Answer
}

// find returns the answer to a file that rests on a basis, which is that of its
// surface now.
func (c *cache) find(surface string, key answerKey) (match.Answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.now[surface]; ok && before != key.basis {
		for at := c.order.Front(); at != nil; {
			next := at.Next()
			if at.Value.(*cached).key.basis == before {
				c.drop(at)
			}
			at = next
		}
	}
	if c.now == nil || len(c.now) >= cacheSurfaces {
		c.now = map[string]engine.Basis{}
	}
	c.now[surface] = key.basis
	at, ok := c.byKey[key]
	if !ok {
		return match.Answer{}, false
	}
	c.order.MoveToFront(at)
	return at.Value.(*cached).answer, true
}

// keep takes an answer, in the place of the one that was not asked for longest.
func (c *cache) keep(key answerKey, a match.Answer) {
	if len(a.Undecided) > 0 || len(a.Matches) > cacheMatches || len(a.Hashes) > cacheHashes {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = map[answerKey]*list.Element{}
	}
	if at, ok := c.byKey[key]; ok {
		c.drop(at)
	}
	c.byKey[key] = c.order.PushFront(&cached{key, a})
	if c.order.Len() > cacheAnswers {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(at *list.Element) {
	delete(c.byKey, at.Value.(*cached).key)
	c.order.Remove(at)
}

// judgeFile judges an upload that came at a time: by the answer to the same
// bytes, or when its turn to be decoded comes.
func (s *Server) judgeFile(ctx context.Context, u *upload, start time.Time) (match.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, judgeTime)
	defer cancel()
	request := engine.Request{Input: u.contentID, Surface: u.surface}
	if u.unread {
		return s.judge(ctx, request, "file", start), nil
	}
	key := answerKey{file: sha256.Sum256(u.file)}
	var known bool
	if key.basis, known = s.engine.Basis(u.surface); known {
		if a, ok := s.cache.find(u.surface, key); ok {
			a.Input = u.contentID
			s.judged(u.surface, a, "copy", start)
			return a, nil
		}
	}
	leave, err := s.enter(ctx, u)
	if err != nil {
		return match.Answer{}, err
	}
	defer leave()
	request.Data, request.SHA256 = u.file, &key.file
	if request.Data == nil {
		request.Data = []byte{}
	}
	a := s.judge(ctx, request, "file", start)
	key.basis = engine.BasisOf(u.surface, a.Policy, a.Lists) // which may be newer
	s.cache.keep(key, a)
	return a, nil
}
