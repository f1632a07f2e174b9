package fakes_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
)

// Each fault strikes once. The client gets over all but a reply that is too
// large, and one that stands still, which is waited for until the caller has
// enough.
func TestTrouble(t *testing.T) {
	for fault := fakes.None; fault < fakes.Faults; fault++ {
		var asked atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		server := httptest.NewServer(&fakes.Trouble{Handler: fakes.NewNCMEC(start), Next: func(r *http.Request) fakes.Fault {
			if asked.Add(1) > 1 {
				return fakes.None
			}
			if fault == fakes.Stalled {
				cancel()
			}
			return fault
		}})
		client, err := ncmec.NewClient(ingest.Service{URL: server.URL + "/hashsharing", FirstDelay: time.Millisecond}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		status, err := client.Status(ctx)
		switch {
		case fault == fakes.Huge:
			if !errors.Is(err, ingest.ErrTooLarge) {
				t.Errorf("fault %d: Status = %v, want %v", fault, err, ingest.ErrTooLarge)
			}
		case fault == fakes.Stalled:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("fault %d: Status = %v, want %v", fault, err, context.Canceled)
			}
		case err != nil || status.Member.ID != "7001" || !status.Time.Equal(start):
			t.Errorf("fault %d: Status = %v, %v, want that of member 7001", fault, status, err)
		}
		want := int32(2)
		if fault == fakes.None || fault == fakes.Huge || fault == fakes.Stalled {
			want = 1
		}
		if got := asked.Load(); got != want {
			t.Errorf("fault %d: the service was asked %d times, want %d", fault, got, want)
		}
		cancel()
		client.Close()
		server.Close()
	}
}
