package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
	"github.com/tidemark-project/tidemark/match"
)

// demoSources plays a service with invented hashes on this machine and follows
// it: through replies that fail, a run that is cut short, and a withdrawal.
func (s *session) demoSources(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tidemark-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()

	service, trouble := newDemoService()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: trouble, ReadHeaderTimeout: time.Minute}
	var served sync.WaitGroup
	served.Go(func() { server.Serve(listener) })
	defer served.Wait()
	defer server.Close()

	address := "http://" + listener.Addr().String() + "/hashsharing"
	client, err := ncmec.NewClient(ingest.Service{URL: address, FirstDelay: 10 * time.Millisecond}, service.User, service.Password)
	if err != nil {
		return err
	}
	defer client.Close()
	j := &syncJob{list: "ncmec", source: &ncmec.Source{Client: client}, config: listConfig{
		Source: &sourceConfig{Kind: "ncmec", URL: address}, Route: []routeConfig{{Member: demoSelf.Name, List: "take-it-down"}},
	}}
	for name, mode := range map[string]match.Mode{"ncmec": match.ModeObserve, "take-it-down": match.ModeReview} {
		if err := st.Create(ctx, store.List{Name: name, Mode: mode}); err != nil {
			return err
		}
	}

	s.say("a service of invented hashes is at %s; every third reply fails", address)
	s.say("the first run is cut short after 500 of 2,000 entries")
	cut, stop := context.WithCancel(ctx)
	defer stop()
	report, err := ingest.Sync(cut, st, ingest.Target(j.config.target(j.list)), j.source, func(r ingest.Report) {
		if r.Edits >= 500 {
			stop()
		}
	})
	if ctx.Err() != nil || err == nil {
		return ctx.Err()
	}
	broken := &syncRun{job: j, report: report, err: err, ended: time.Now()}
	if err := s.printSynced(broken.lines()); err != nil {
		return err
	}
	runs, err := ledger.OpenRuns(dir)
	if err != nil {
		return err
	}
	s.say("the second goes on where that ended")
	if err := s.syncAll(ctx, st, runs, []*syncJob{j}); err != nil {
		return err
	}
	s.say("a person withdraws the picture e7 at Take It Down, and two entries are added")
	service.Delete(demoSelf, "e7")
	service.Put(demoRecord(demoMember, "new-1"))
	service.Put(demoRecord(demoMember, "new-2"))
	service.Advance(time.Minute)
	if err := s.syncAll(ctx, st, runs, []*syncJob{j}); err != nil {
		return err
	}
	if _, err := st.Entry(ctx, "take-it-down", demoSelf.ID+"-e7"); !errors.Is(err, store.ErrNoEntry) {
		return fmt.Errorf("the withdrawn entry is still on the list: %v", err)
	}
	s.say("e7 no longer matches; \"tidemark sync --help\" shows how to follow a real service")
	return nil
}

var (
	demoMember = fakes.Member{ID: "7002", Name: "Example Platform"}
	demoSelf   = fakes.Member{ID: "7003", Name: "Take It Down"}
)

// newDemoService returns a service, and the same with every third reply failing
// in another way.
func newDemoService() (*fakes.NCMEC, *fakes.Trouble) {
	n := fakes.NewNCMEC(time.Now().Add(-time.Hour))
	n.User, n.Password, n.PageSize = "demo", "demo", 100
	for i := range 2000 {
		member := demoMember
		if i%20 == 7 {
			member = demoSelf
		}
		n.Put(demoRecord(member, fmt.Sprintf("e%d", i)))
	}
	n.Advance(time.Minute)
	faults := []fakes.Fault{fakes.TooMany, fakes.Broken, fakes.Truncated, fakes.Cut, fakes.WrongType, fakes.SignIn, fakes.Unavailable}
	var mu sync.Mutex
	asked := 0
	return n, &fakes.Trouble{Handler: n, Next: func(*http.Request) fakes.Fault {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked%3 != 0 {
			return fakes.None
		}
		return faults[asked/3%len(faults)]
	}}
}

// demoRecord is an entry of random hashes.
func demoRecord(member fakes.Member, id string) fakes.Record {
	hex := func(n int) string {
		return fmt.Sprintf("%016x%016x%016x%016x", rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64())[:n]
	}
	return fakes.Record{Member: member, ID: id, Class: "B2", Prints: []fakes.Print{{Name: "md5", Text: hex(32)}, {Name: "pdq", Text: hex(64)}}}
}
