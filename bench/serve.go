package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A serveRow is what was measured of a server at one rate. An upload is a
// picture, or a line with a hash.
type serveRow struct {
	Load      string  `json:"load"`      // hashes or pictures
	When      string  `json:"when"`      // quiet, while many clients sent slowly or sent backfill, or while a list was swapped
	Share     float64 `json:"share"`     // of the rate at which the server is full
	Offered   float64 `json:"offered"`   // uploads a second
	Answered  float64 `json:"answered"`  // uploads a second
	P50       float64 `json:"p50_ms"`    // of a request, from when it was due
	P99       float64 `json:"p99_ms"`    //
	P999      float64 `json:"p999_ms"`   //
	ServerCPU float64 `json:"server_us"` // processor time of the server for an upload
	ClientCPU float64 `json:"client_us"` // and of the generator
	Refused   int     `json:"refused"`   // requests that had another answer than 200
	InProcess float64 `json:"inside_us"` // processor time of "tidemark match" for a picture, of pictures alone
	Backfill  float64 `json:"backfill"`  // uploads of backfill that were answered besides, a second
	SwapTime  float64 `json:"swap_s"`    // from the new file to the new version, of a swap alone
	Entries   int     `json:"entries"`   //
}

// A load makes requests, each with so many uploads and none like another.
type load struct {
	name, path string
	uploads    int // of a request
	body       func(i int) []byte
}

// serveRun is a run of "bench serve" as its flags have it.
type serveRun struct {
	dir, program string
	n            int
	slice        time.Duration
	log          io.Writer

	server *exec.Cmd
	ended  chan error
	base   string // address
	key    string
	client *http.Client
	next   atomic.Int64 // number of the next request
}

// serveShares are the rates at which a server is measured, as shares of what it
// answers when it is full.
var serveShares = []float64{0.1, 0.25, 0.5, 0.75, 0.9}

func benchServe(ctx context.Context, args []string, out, log io.Writer) (err error) {
	var (
		flags    = flag.NewFlagSet("serve", flag.ContinueOnError)
		n        = flags.Float64("n", 1e6, "entries of the list")
		loads    = flags.String("loads", "hashes,pictures", "what to send")
		batch    = flags.Int("batch", 32, "hashes in a request")
		size     = flags.String("size", "1024x768", "size of the pictures, JPEG")
		slice    = flags.Duration("slice", 10*time.Second, "time at each rate; a swap takes three times as long, or longer")
		slow     = flags.Int("slow", 0, "have so many connections send their headers byte by byte, at half of the full rate")
		backfill = flags.Int("backfill", 0, "have so many clients send backfill, each as fast as it is answered, at half of the full rate")
		swap     = flags.Bool("swap", true, "have the whole list replaced at half of the full rate")
		jsonFile = flags.String("json", "", "file for the figures as JSON, which \"size\" reads")
		svgFile  = flags.String("svg", "", "file for a plot of the latency against the rate")
	)
	flags.SetOutput(log)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *n < 1000 || *n > 1e8 || *batch < 1 || *slice <= 0 || *slow < 0 || *backfill < 0 {
		return errors.New("-n is 1000 to 1e8, -batch at least 1, -slice more than nothing, -slow and -backfill not negative")
	}
	run := &serveRun{n: int(*n), slice: *slice, log: log}
	var width, height int
	if got, err := fmt.Sscanf(*size, "%dx%d", &width, &height); got != 2 || width < 64 || height < 64 {
		return fmt.Errorf("-size %q: not a size of 64x64 or more: %v", *size, err)
	}
	if run.dir, err = os.MkdirTemp("", "bench-serve"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(run.dir)) }()
	if run.program, err = buildTidemark(ctx, run.dir); err != nil {
		return err
	}
	p, err := encode(ctx, photograph(width, height), "jpeg")
	if err != nil {
		return err
	}
	chosen, err := chooseLoads(strings.Split(*loads, ","), *batch, p.file)
	if err != nil {
		return err
	}
	m := thisMachine()
	fmt.Fprintf(out, "serve: %s\n", m)
	if err := run.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.stop()) }()
	var rows []serveRow
	for _, l := range chosen {
		got, err := run.measure(ctx, l, *slow, *backfill, *swap)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		rows = append(rows, got...)
	}
	if err := run.stop(); err != nil {
		return err
	}
	if err := run.inside(ctx, p.file, rows); err != nil {
		return err
	}
	if err := writeServeTable(out, rows); err != nil {
		return err
	}
	if *jsonFile != "" {
		if err := writeJSON(*jsonFile, m, "serve", rows); err != nil {
			return err
		}
	}
	if *svgFile != "" {
		return plotServe(*svgFile, m, rows)
	}
	return nil
}

// chooseLoads makes the loads of these names. Pictures get other bytes after
// their end each time, so that the server finds none among those it has seen.
func chooseLoads(names []string, batch int, picture []byte) (chosen []load, err error) {
	for _, name := range names {
		switch name {
		case "hashes":
			chosen = append(chosen, load{name, "/v1/match/hashes", batch, func(i int) []byte {
				r := rand.New(rand.NewPCG(3, uint64(i)))
				var b bytes.Buffer
				for k := range batch {
					fmt.Fprintf(&b, `{"content_id":"%d","orientations":true,"hashes":[{"kind":"pdq","value":"%v","quality":100}]}`+"\n", k, uniform(r))
				}
				return b.Bytes()
			}})
		case "pictures":
			chosen = append(chosen, load{name, "/v1/match", 1, func(i int) []byte {
				return strconv.AppendInt(slices.Clip(picture), int64(i), 10)
			}})
		default:
			return nil, fmt.Errorf("-loads %q: there are hashes and pictures", name)
		}
	}
	return chosen, nil
}

// start has a server judge by a list that follows a file.
func (run *serveRun) start(ctx context.Context) error {
	fmt.Fprintf(run.log, "bench: a list of %s entries, and a server\n", short(float64(run.n)))
	if err := run.writeList(1); err != nil {
		return err
	}
	config := filepath.Join(run.dir, "tidemark.yaml")
	text := fmt.Sprintf("store: %s\nlists:\n  %s:\n    mode: review\n    brakes: {shrink: off, growth: off}\n    source: {kind: file, path: %s, every: 1s}\n",
		filepath.Join(run.dir, "store"), storeList, run.listFile())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"sync"}, {"key", "create", "bench", "--scope", "match,list:read"}} {
		text, err := exec.CommandContext(ctx, run.program, append(args, "--config", config)...).Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				text = exit.Stderr
			}
			return fmt.Errorf("tidemark %s: %w: %s", args[0], err, text)
		}
		run.key = strings.TrimSpace(string(text))
	}
	run.server = exec.Command(run.program, "serve", "--config", config, "--listen", "127.0.0.1:0", "--admin", "-")
	talk, err := run.server.StderrPipe()
	if err != nil {
		return err
	}
	if err := run.server.Start(); err != nil {
		return err
	}
	run.ended = make(chan error, 1)
	address := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(talk); lines.Scan(); {
			var line struct{ Msg, Addr string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				address <- line.Addr
			}
		}
		run.ended <- run.server.Wait()
	}()
	select {
	case a := <-address:
		run.base = "http://" + a
	case err := <-run.ended:
		run.server = nil
		return fmt.Errorf("tidemark serve: %w", errors.Join(err, errors.New("it ended")))
	case <-ctx.Done():
		return errors.Join(ctx.Err(), run.stop())
	}
	run.client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: generators, DialContext: (&net.Dialer{}).DialContext}}
	return nil
}

// stop ends the server, if it runs.
func (run *serveRun) stop() error {
	if run.server == nil {
		return nil
	}
	defer func() { run.server = nil }()
	if err := run.server.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-run.ended
}

func (run *serveRun) listFile() string { return filepath.Join(run.dir, "list.csv") }

// writeList puts another list in the place of the file.
func (run *serveRun) writeList(seed uint64) error {
	next := run.listFile() + ".next"
	if err := writeEntries(next, rand.New(rand.NewPCG(seed, uint64(run.n))), run.n); err != nil {
		return err
	}
	return os.Rename(next, run.listFile())
}

// version returns the number of the list's version that uploads are judged by.
func (run *serveRun) version(ctx context.Context) (seq uint64, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", run.base+"/v1/version", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+run.key)
	resp, err := run.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var got struct {
		Lists map[string]struct{ Seq uint64 }
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		return 0, fmt.Errorf("/v1/version: %s: %w", resp.Status, err)
	}
	return got.Lists[storeList].Seq, nil
}

// measure finds the rate at which the server is full, and then asks at shares of
// it.
func (run *serveRun) measure(ctx context.Context, l load, slow, backfill int, swap bool) (rows []serveRow, err error) {
	fmt.Fprintf(run.log, "bench: %s, as many as can be\n", l.name)
	full, err := run.closed(ctx, l)
	if err != nil {
		return nil, err
	}
	for _, share := range serveShares {
		fmt.Fprintf(run.log, "bench: %s, %g of %s uploads a second\n", l.name, share, short(full))
		row, err := run.open(ctx, l, share*full, run.slice, nil)
		if err != nil {
			return nil, err
		}
		row.Share, row.When = share, "quiet"
		rows = append(rows, row)
	}
	if slow > 0 {
		fmt.Fprintf(run.log, "bench: %s, %g of %s uploads a second and %d slow connections\n", l.name, serveShares[2], short(full), slow)
		leave := run.sendSlowly(ctx, slow)
		row, err := run.open(ctx, l, serveShares[2]*full, run.slice, nil)
		leave()
		if err != nil {
			return nil, err
		}
		row.Share, row.When = serveShares[2], "slow"
		rows = append(rows, row)
	}
	if backfill > 0 {
		fmt.Fprintf(run.log, "bench: %s, %g of %s uploads a second and %d clients with backfill\n", l.name, serveShares[2], short(full), backfill)
		leave := run.sendBackfill(ctx, l, backfill)
		row, err := run.open(ctx, l, serveShares[2]*full, run.slice, nil)
		answered := leave()
		if err != nil {
			return nil, err
		}
		row.Share, row.When, row.Backfill = serveShares[2], "backfill", answered
		rows = append(rows, row)
	}
	if !swap {
		return rows, nil
	}
	fmt.Fprintf(run.log, "bench: %s, %g of %s uploads a second and a swap of the list\n", l.name, serveShares[2], short(full))
	before, err := run.version(ctx)
	if err != nil {
		return nil, err
	}
	if err := run.writeList(rand.Uint64()); err != nil {
		return nil, err
	}
	start, swapped := time.Now(), make(chan struct{})
	var took float64
	watching, enough := context.WithCancel(ctx)
	defer enough()
	go func() {
		for watching.Err() == nil {
			if now, err := run.version(watching); err == nil && now != before {
				took = time.Since(start).Seconds()
				close(swapped)
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	row, err := run.open(ctx, l, serveShares[2]*full, 3*run.slice, swapped)
	if err != nil {
		return nil, err
	}
	select {
	case <-swapped:
	default:
		return nil, fmt.Errorf("the list was not swapped within %v", swapTime)
	}
	row.Share, row.When, row.SwapTime = serveShares[2], "swap", took
	return append(rows, row), nil
}

// inside sets what "tidemark match" takes for a picture, by the same list: the
// processor time of many files less that of one.
func (run *serveRun) inside(ctx context.Context, picture []byte, rows []serveRow) error {
	if !slices.ContainsFunc(rows, func(r serveRow) bool { return r.Load == "pictures" }) {
		return nil
	}
	fmt.Fprintln(run.log, "bench: tidemark match, the same pictures")
	const n = 400
	var files []string
	for i := range n {
		name := filepath.Join(run.dir, fmt.Sprintf("%d.jpg", i))
		if err := os.WriteFile(name, strconv.AppendInt(slices.Clip(picture), int64(i), 10), 0o600); err != nil {
			return err
		}
		files = append(files, name)
	}
	match := program{"tidemark match", []string{run.program, "match", "--store", filepath.Join(run.dir, "store")}}
	var times []float64
	for range 3 {
		one, _, err := match.run(ctx, files[:1])
		if err != nil {
			return err
		}
		many, _, err := match.run(ctx, files)
		if err != nil {
			return err
		}
		times = append(times, (many-one).Seconds()*1e6/(n-1))
	}
	for i := range rows {
		if rows[i].Load == "pictures" {
			rows[i].InProcess = median(times)
		}
	}
	return nil
}

func writeServeTable(w io.Writer, rows []serveRow) error {
	var cells [][]string
	for _, r := range rows {
		inside, backfill, swap := "-", "-", "-"
		if r.InProcess > 0 {
			inside = short(r.InProcess)
		}
		if r.Backfill > 0 {
			backfill = short(r.Backfill)
		}
		if r.SwapTime > 0 {
			swap = short(r.SwapTime)
		}
		cells = append(cells, []string{
			r.Load, r.When, fmt.Sprintf("%g", r.Share), short(r.Offered), short(r.Answered), short(r.P50), short(r.P99), short(r.P999),
			short(r.ServerCPU), short(1e6 / r.ServerCPU), short(r.ClientCPU), inside, backfill, swap, fmt.Sprint(r.Refused),
		})
	}
	return writeTable(w, "load\twhen\tshare\toffered/s\tanswered/s\tp50 ms\tp99 ms\tp99.9 ms\tserver us\tper server s\tclient us\tmatch us\tbackfill/s\tswap s\trefused", cells)
}

// plotServe draws the latencies of quiet runs against the rate.
func plotServe(name string, m machine, rows []serveRow) error {
	var lines []series
	for i, r := range rows {
		if r.When != "quiet" {
			continue
		}
		if i == 0 || rows[i-1].Load != r.Load {
			lines = append(lines, series{name: r.Load}, series{name: r.Load, dashed: true})
		}
		k := len(lines) - 2
		lines[k].x, lines[k].y = append(lines[k].x, r.Offered), append(lines[k].y, r.P50)
		lines[k+1].x, lines[k+1].y = append(lines[k+1].x, r.Offered), append(lines[k+1].y, r.P99)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("tidemark serve, %d cores of %s", m.Cores, m.CPU)
	return errors.Join(plotSVG(f, title, "uploads offered a second", "ms from when a request was due", lines), f.Close())
}
