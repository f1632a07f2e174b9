package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/match"
)

const (
	// forgetAfter is how long after a withdrawal it is known that there was a case:
	// until then a form that comes late does not bring it back.
	forgetAfter = 30 * 24 * time.Hour
	forgetEvery = 24 * time.Hour
	retryEvery  = time.Minute // of cases that could not be brought to the list
)

// prepareSubmissions makes the list of submitted hashes if it is not there.
func (s *Server) prepareSubmissions(ctx context.Context) error {
	if s.Submissions == nil {
		return nil
	}
	name := s.SubmittedList
	status, err := s.Store.Status(ctx, name)
	if errors.Is(err, store.ErrNoList) {
		status.List = store.List{Name: name, Mode: match.ModeReview}
		err = s.Store.Create(ctx, status.List)
	}
	if err != nil {
		return err
	}
	if status.Redistribute {
		return fmt.Errorf("list %s takes submissions, which people sent to this service alone, and it may be redistributed: first say \"tidemark list set %[1]s --no-redistribute\", or let another list take them", name)
	}
	return errors.Join(s.maySubmit(name, status.Mode), s.maySubmit(name, s.Policy.Lists[name].Mode))
}

// maySubmit refuses a mode for the list of submitted hashes. They are leads that
// anyone can send: they neither block nor let through what matches.
func (s *Server) maySubmit(list string, mode match.Mode) error {
	if s.Submissions != nil && list == s.SubmittedList && (mode == match.ModeBlock || mode == match.ModeBenign) {
		return fmt.Errorf("list %s takes submissions, which anyone can send, and its mode would be %s\nset it to review, or let another list take them", list, mode)
	}
	return nil
}

var errNoIntake = problem(http.StatusNotFound, "no_intake", "this service takes no submissions", "ask the operator where to send them")

// page answers with the files of the page for submitters.
func (s *Server) page(c *call) error {
	s.Helper.ServeHTTP(c.w, c.r)
	return nil
}

// submit takes the form of the page, or of tidemark submit.
func (s *Server) submit(c *call) error {
	return s.answerForm(c, func(from netip.Addr) (submission.Receipt, error) {
		f, err := submission.ReadForm(c.r)
		if err != nil {
			return submission.Receipt{}, err
		}
		return s.Submissions.Submit(f, from, time.Now())
	})
}

// withdraw takes back a case.
func (s *Server) withdraw(c *call) error {
	return s.answerForm(c, func(from netip.Addr) (submission.Receipt, error) {
		w, err := submission.ReadWithdrawal(c.r)
		if err != nil {
			return submission.Receipt{}, err
		}
		return s.Submissions.Withdraw(w, from, time.Now())
	})
}

// answerForm answers a form with what take makes of it: a page for a person, who
// comes with a browser, else JSON.
func (s *Server) answerForm(c *call, take func(from netip.Addr) (submission.Receipt, error)) error {
	if s.Submissions == nil {
		return errNoIntake
	}
	from, err := netip.ParseAddrPort(c.r.RemoteAddr)
	var leave func()
	if err == nil {
		leave, err = s.admitStranger(submission.MaxBody)
	}
	var receipt submission.Receipt
	if err == nil {
		receipt, err = take(from.Addr())
		leave()
	}
	if s.Helper == nil || !strings.Contains(c.r.Header.Get("Accept"), "text/html") {
		if err != nil {
			return err
		}
		return writeJSON(c.w, http.StatusOK, receipt)
	}
	if err != nil {
		c.leaveUnread()
		p := problemOf(err)
		return errors.Join(err, s.Helper.WriteProblem(c.w, p.Status, p.Code, c.id))
	}
	return s.Helper.WriteReceipt(c.w, receipt)
}

// keepSubmissions brings submitted hashes to their list and withdrawn ones off
// it, as they come.
func (s *Server) keepSubmissions(ctx context.Context) {
	retry, forget := time.NewTicker(retryEvery), time.NewTicker(forgetEvery)
	defer retry.Stop()
	defer forget.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-s.Submissions.Wake():
			err = s.bringSubmissions(ctx)
		case <-retry.C:
			err = s.bringSubmissions(ctx)
		case now := <-forget.C:
			err = s.forgetSubmissions(now)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Error("submissions wait", "error", err)
		}
	}
}

// bringSubmissions brings all that waits to the list or off it. A case that
// can't be brought keeps no other one waiting.
func (s *Server) bringSubmissions(ctx context.Context) error {
	s.bringing.Lock()
	defer s.bringing.Unlock()
	work, err := s.Submissions.Waiting()
	for _, w := range work {
		held, bringErr := s.bring(ctx, &w)
		if bringErr == nil {
			bringErr = s.Submissions.Done(w, held, time.Now())
		}
		err = errors.Join(err, bringErr)
	}
	if len(work) == 0 {
		return err
	}
	return errors.Join(err, s.Refresh(ctx))
}

// bring brings one case to the list, an entry for each picture, or off it. It
// returns the number of the change if the list's brakes held it.
func (s *Server) bring(ctx context.Context, w *submission.Work) (held uint64, err error) {
	ctx = store.As(ctx, "submissions")
	change := store.Change{Note: "a submission"}
	if w.State == submission.Withdrawing {
		change.Note = store.Withdrawal
		if err := s.dropWithdrawn(ctx, w); err != nil {
			return 0, err
		}
		for i := range w.Count {
			change.Delete = append(change.Delete, w.Entry(i))
		}
	}
	for i, p := range w.Pictures {
		e := store.Entry{ID: w.Entry(i), Label: "submitted, " + string(w.Age)}
		for _, h := range p {
			e.Hashes = append(e.Hashes, store.Hash{Hash: h.Hash, Quality: h.Quality})
		}
		change.Put = append(change.Put, e)
	}
	_, err = s.Store.Apply(ctx, s.SubmittedList, change)
	h, ok := errors.AsType[*store.HeldError](err)
	switch {
	case ok && w.State == submission.Withdrawing:
		// No brake keeps what a person takes back.
		_, err = s.Store.Accept(ctx, s.SubmittedList, h.Number)
		return 0, err
	case ok:
		return h.Number, nil
	}
	return 0, err
}

// dropWithdrawn drops the held change of a case, unless a person has accepted or
// dropped it before.
func (s *Server) dropWithdrawn(ctx context.Context, w *submission.Work) error {
	if w.Held == 0 {
		return nil
	}
	held, err := s.Store.Held(ctx, s.SubmittedList)
	if err != nil || !slices.ContainsFunc(held, func(h store.Held) bool { return h.Number == w.Held }) {
		return err
	}
	return s.Store.Drop(ctx, s.SubmittedList, w.Held)
}

// forgetSubmissions forgets the cases that were withdrawn long enough before. Of
// their hashes, the lists' own erasing takes care.
func (s *Server) forgetSubmissions(now time.Time) error {
	due, err := s.Submissions.WithdrawnBefore(now.Add(-forgetAfter))
	for _, c := range due {
		err = errors.Join(err, s.Submissions.Forget(c))
	}
	return err
}
