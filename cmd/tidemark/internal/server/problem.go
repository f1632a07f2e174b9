package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// problem returns an error that is told to the caller as it is.
func problem(status int, code, detail, remedy string) *match.Problem {
	return &match.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Remedy: remedy}
}

func badRequest(format string, args ...any) *match.Problem {
	return problem(http.StatusBadRequest, "bad_request", fmt.Sprintf(format, args...), "see /openapi.yaml for what this route takes")
}

// retryAfter is what callers are told to wait when the service is busy.
const retryAfter = time.Second

// problemOf returns what the caller is told of an error. Errors of which
// nothing is known are told as no more than that: the log has the rest.
func problemOf(err error) *match.Problem {
	var p *match.Problem
	var m *media.Error
	var held *store.HeldError
	var entry *store.EntryError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &large):
		return problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body has more than %d bytes", large.Limit), "send less at a time")
	case errors.As(err, &m) && m.Code == media.TooLarge:
		return problem(http.StatusRequestEntityTooLarge, "too_large", m.Err.Error(), "treat the upload as undecided, or raise the limit that is named")
	case errors.As(err, &m):
		return problem(http.StatusUnprocessableEntity, string(m.Code), m.Err.Error(), "treat the upload as undecided")
	case errors.As(err, &held):
		return problem(http.StatusConflict, "held", held.Error(), fmt.Sprintf("look at /v1/lists/%s/held, and accept or drop change %d", held.List, held.Number))
	case errors.As(err, &entry):
		return badRequest("%v", entry)
	case errors.Is(err, store.ErrNoList):
		return problem(http.StatusNotFound, "no_list", "there is no list of that name", "GET /v1/lists names those there are")
	case errors.Is(err, store.ErrNoEntry):
		return problem(http.StatusNotFound, "no_entry", "the list has no such entry", "it may have been withdrawn")
	case errors.Is(err, store.ErrExists):
		return problem(http.StatusConflict, "exists", "there is a list of that name", "choose another name")
	case errors.Is(err, store.ErrOrdinary):
		return problem(http.StatusConflict, "ordinary", err.Error(), "put them in quarantine, or take them off the list")
	case errors.Is(err, store.ErrFull):
		return problem(http.StatusInsufficientStorage, "full", "the disk is nearly full and nothing is written; uploads are still judged", "tell the operator to free some space, then try again")
	case errors.Is(err, errBusy):
		return problem(http.StatusServiceUnavailable, "busy", "more uploads are waiting than can be judged soon", "try again after the seconds in Retry-After")
	case errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusServiceUnavailable, "timeout", "the time for this request ran out", "try again after the seconds in Retry-After")
	}
	return problem(http.StatusInternalServerError, "internal", "something went wrong that is not the caller's fault", "tell the operator the instance; the log says more")
}

// writeProblem answers with a problem.
func writeProblem(w http.ResponseWriter, p *match.Problem) {
	h := w.Header()
	switch p.Status {
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
	h.Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
