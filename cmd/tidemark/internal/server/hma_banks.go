package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// hmaBankConfig is what HMA tells of a bank. A bank that matches has the ratio
// 1, one that observes or excuses has 0: nothing is left to chance here.
type hmaBankConfig struct {
	Name  string  `json:"name"`
	Ratio float64 `json:"matching_enabled_ratio"`
}

func (s *Server) hmaConfig(l store.Status) hmaBankConfig {
	b := hmaBankConfig{Name: bankName(l.Name)}
	if m := s.hmaListPolicy(l).Mode; m == match.ModeReview || m == match.ModeBlock {
		b.Ratio = 1
	}
	return b
}

// hmaDeleted reports whether a bank was deleted: nothing is on its list any
// more, and the list only observes. Its chain stays, so that the deletion can
// be undone and is seen.
func (s *Server) hmaDeleted(l store.Status) bool {
	return l.Entries == 0 && l.Version.Seq > 0 && s.hmaListPolicy(l).Mode == match.ModeObserve
}

// hmaFind returns the list that a bank is, deleted or not. If two lists have
// one name as banks, it is the first by name.
func (s *Server) hmaFind(ctx context.Context, bank string) (store.Status, bool, error) {
	lists, err := s.Store.Lists(ctx)
	if err != nil {
		return store.Status{}, false, err
	}
	i := slices.IndexFunc(lists, func(l store.Status) bool { return bankName(l.Name) == bank })
	if i < 0 {
		return store.Status{}, false, nil
	}
	return lists[i], true, nil
}

// hmaList returns the list of the bank that a path names.
func (s *Server) hmaList(c *call) (store.Status, error) {
	bank := c.r.PathValue("bank")
	l, ok, err := s.hmaFind(c.r.Context(), bank)
	if err == nil && (!ok || s.hmaDeleted(l)) {
		err = hmaError(http.StatusNotFound, "bank '%.100s' not found", bank)
	}
	return l, err
}

func (s *Server) hmaBanks(c *call) error {
	lists, err := s.Store.Lists(c.r.Context())
	if err != nil {
		return err
	}
	all := []hmaBankConfig{}
	for _, l := range lists {
		if !s.hmaDeleted(l) {
			all = append(all, s.hmaConfig(l))
		}
	}
	return writeJSON(c.w, http.StatusOK, all)
}

func (s *Server) hmaBank(c *call) error {
	l, err := s.hmaList(c)
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, s.hmaConfig(l))
}

// hmaJSON reads the body, an object of which only some fields are known.
func (c *call) hmaJSON(v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxJSON)).Decode(v); err != nil {
		return hmaError(http.StatusBadRequest, "the body is no JSON object of the fields that this route takes")
	}
	return nil
}

// hmaBankSettings is what is sent to make or change a bank. Callers write
// numbers and booleans as such or as texts.
type hmaBankSettings struct {
	Name    string          `json:"name"`
	Enabled json.RawMessage `json:"enabled"`
	Ratio   json.RawMessage `json:"enabled_ratio"`
}

// mode returns the mode that the settings ask for, "" if they say nothing.
func (b *hmaBankSettings) mode() (match.Mode, error) {
	text := strings.ToLower(strings.Trim(cmp.Or(string(b.Ratio), string(b.Enabled)), `"`))
	switch text {
	case "", "null":
		return "", nil
	case "true":
		return match.ModeReview, nil
	case "false":
		return match.ModeObserve, nil
	}
	switch ratio, err := strconv.ParseFloat(text, 64); {
	case err != nil:
		return "", hmaError(http.StatusBadRequest, "Invalid float: '%.20s'", text)
	case ratio == 1:
		return match.ModeReview, nil
	case ratio == 0:
		return match.ModeObserve, nil
	}
	return "", hmaError(http.StatusBadRequest, "enabled_ratio may be 0 or 1: no upload is let through by chance here")
}

var bankNames = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

func (s *Server) hmaCreateBank(c *call) error {
	var n hmaBankSettings
	if err := c.hmaJSON(&n); err != nil {
		return err
	}
	name := strings.TrimPrefix(strings.ToLower(n.Name), "_")
	switch {
	case n.Name == "":
		return hmaError(http.StatusBadRequest, "name is required")
	case !bankNames.MatchString(n.Name) || name == "" || bankName(name) != n.Name || len(name) > 64:
		return hmaError(http.StatusBadRequest, "Bank names must be UPPER_WITH_UNDER, of up to 64 characters, and begin with a letter")
	}
	mode, err := n.mode()
	if err != nil {
		return err
	}
	mode = cmp.Or(mode, match.ModeReview)
	ctx := store.As(c.r.Context(), "hma")
	l, ok, err := s.hmaFind(ctx, n.Name)
	switch {
	case err != nil:
		return err
	case ok && !s.hmaDeleted(l):
		return hmaError(http.StatusForbidden, "Bank already exists")
	case ok:
		err = s.hmaSetMode(ctx, l, mode)
	default:
		err = s.Store.Create(ctx, store.List{Name: name, Mode: mode, Redistribute: true})
	}
	if err != nil {
		return err
	}
	return s.hmaSet(c, n.Name, http.StatusCreated)
}

// hmaSetMode sets the mode of a list whose mode the file does not set.
func (s *Server) hmaSetMode(ctx context.Context, l store.Status, mode match.Mode) error {
	if m := s.policy().Lists[l.Name].Mode; m != "" {
		return hmaError(http.StatusForbidden, "the configuration file sets the mode of this bank's list")
	}
	list := l.List
	if list.Mode == match.ModeBenign {
		return hmaError(http.StatusForbidden, "the bank's list is benign, and stays so")
	}
	if mode == match.ModeReview && list.Mode == match.ModeBlock {
		return nil // it matches already
	}
	list.Mode = mode
	return s.Store.Configure(ctx, list)
}

// hmaSet has a change matched and answers with the bank.
func (s *Server) hmaSet(c *call, bank string, status int) error {
	if err := s.load(c); err != nil {
		return err
	}
	l, _, err := s.hmaFind(c.r.Context(), bank)
	if err != nil {
		return err
	}
	s.Log.Info("bank set", "list", l.Name, "id", c.id)
	return writeJSON(c.w, status, s.hmaConfig(l))
}

func (s *Server) hmaUpdateBank(c *call) error {
	var n hmaBankSettings
	if err := c.hmaJSON(&n); err != nil {
		return err
	}
	l, err := s.hmaList(c)
	if err != nil {
		return err
	}
	if n.Name != "" && n.Name != bankName(l.Name) {
		return hmaError(http.StatusForbidden, "a bank keeps its name, for matches are known by it: make another")
	}
	mode, err := n.mode()
	if err != nil {
		return err
	}
	if mode != "" {
		if err := s.hmaSetMode(store.As(c.r.Context(), "hma"), l, mode); err != nil {
			return err
		}
	}
	return s.hmaSet(c, bankName(l.Name), http.StatusOK)
}

// hmaOwn returns the list of the bank that a path names if it may be changed
// here: what a source fills would be changed back.
func (s *Server) hmaOwn(c *call) (store.Status, error) {
	l, err := s.hmaList(c)
	if err == nil && s.hmaFilled(l) {
		err = hmaError(http.StatusForbidden, "the bank is filled by an exchange")
	}
	return l, err
}

func (s *Server) hmaFilled(l store.Status) bool {
	return len(l.Cursor) > 0 || s.HMA.Exchanges[l.Name] != ""
}

// hmaDeleteBank stops a bank from matching and takes all entries off its list.
// Its chain remains, and with it the way back.
func (s *Server) hmaDeleteBank(c *call) error {
	l, err := s.hmaOwn(c)
	if p := (*match.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return writeJSON(c.w, http.StatusOK, map[string]string{"message": "Done"})
	} else if err != nil {
		return err
	}
	ctx := store.As(c.r.Context(), "hma")
	if l.Version.Seq == 0 { // nothing was ever on it
		err = s.Store.Remove(ctx, l.Name)
	} else if err = s.hmaSetMode(ctx, l, match.ModeObserve); err == nil {
		err = s.hmaEmpty(ctx, l.Name)
	}
	if held := (*store.HeldError)(nil); errors.As(err, &held) {
		s.Log.Warn("a bank no longer matches, and that its entries go is held", "list", l.Name, "held", held.Number, "id", c.id)
	} else if err != nil {
		return err
	}
	if err := s.load(c); err != nil {
		return err
	}
	s.Log.Info("bank deleted", "list", l.Name, "id", c.id)
	return writeJSON(c.w, http.StatusOK, map[string]string{"message": "Done"})
}

// hmaEmpty takes all entries off a list by one change.
func (s *Server) hmaEmpty(ctx context.Context, list string) error {
	v, err := s.Store.Snapshot(ctx, list)
	if err != nil {
		return err
	}
	defer v.Close()
	d, err := s.Store.Begin(ctx, list)
	if err != nil {
		return err
	}
	defer d.Discard()
	for e, err := range v.Entries(ctx) {
		if err != nil {
			return err
		}
		if err := d.Delete(e.ID); err != nil {
			return err
		}
	}
	_, err = d.Commit(ctx, nil, "bank deleted")
	return err
}

// hmaMetadata is what callers say of content besides. Of it, content_id is
// kept, as the entry's label.
type hmaMetadata struct {
	ContentID string `json:"content_id"`
}

// hmaAdded is the answer when content was added.
type hmaAdded struct {
	ID      int64             `json:"id"`
	Signals map[string]string `json:"signals"`
}

func (s *Server) hmaAddContent(c *call) error {
	l, err := s.hmaOwn(c)
	if err != nil {
		return err
	}
	var n struct {
		Metadata hmaMetadata `json:"metadata"`
		Note     string      `json:"note"`
	}
	var f *hmaFile
	if c.r.URL.Query().Get("url") != "" {
		body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxJSON))
		if err == nil && len(body) > 0 {
			err = json.Unmarshal(body, &n)
		}
		if err != nil {
			return hmaError(http.StatusBadRequest, "metadata should be a json object")
		}
		f, err = s.hmaFetch(c)
		defer f.release()
		if err != nil {
			return err
		}
	} else {
		f, err = s.hmaForm(c)
		defer f.release()
		if err != nil {
			return err
		}
		n.Metadata.ContentID, n.Note = f.fields["content_id"], f.fields["note"]
	}
	sums, _, err := s.hmaSums(c, f)
	if err != nil {
		return err
	}
	// Its digests are kept too: a copy of this very file is proof, and is found
	// before it is decoded.
	e := store.Entry{Label: n.Metadata.ContentID}
	for _, d := range hash.Digests(f.file) {
		e.Hashes = append(e.Hashes, store.Hash{Hash: d, Quality: hash.UnknownQuality})
	}
	return s.hmaAdd(c, l, e, sums, n.Note)
}

func (s *Server) hmaAddSignal(c *call) error {
	l, err := s.hmaOwn(c)
	if err != nil {
		return err
	}
	sums := map[string]string{}
	if err := c.hmaJSON(&sums); err != nil {
		return err
	}
	note := sums["note"]
	delete(sums, "note")
	if len(sums) == 0 {
		return hmaError(http.StatusBadRequest, "No signals given")
	}
	return s.hmaAdd(c, l, store.Entry{}, sums, note)
}

// hmaAdd puts an entry of the given signals on a list.
func (s *Server) hmaAdd(c *call, l store.Status, e store.Entry, sums map[string]string, note string) error {
	if len([]rune(note)) > 255 {
		return hmaError(http.StatusBadRequest, "note must be at most 255 characters")
	}
	e.ID = "hma-" + strings.ToLower(rand.Text())
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		h, err := hmaSignal(name, sums[name])
		if err != nil {
			return err
		}
		value, err := hash.Parse(h.Kind, h.Value)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(e.Hashes, func(o store.Hash) bool { return o.Hash == value }) {
			e.Hashes = append(e.Hashes, store.Hash{Hash: value, Quality: hash.UnknownQuality})
		}
	}
	if err := s.hmaChange(c, l, store.Change{Put: []store.Entry{e}, Note: note}); err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, hmaAdded{contentID(l.Name, e.ID), sums})
}

// hmaChange changes a list, and has the change matched.
func (s *Server) hmaChange(c *call, l store.Status, change store.Change) error {
	a, err := s.Store.Apply(store.As(c.r.Context(), "hma"), l.Name, change)
	if err != nil {
		return err
	}
	if err := s.load(c); err != nil {
		return err
	}
	s.Log.Info("list changed", "list", l.Name, "seq", a.Status.Version.Seq, "id", c.id)
	s.TellGrown(a.Status)
	return nil
}

// hmaEntry returns the entry that a path names by its number. It reads the whole
// list, for nothing keeps the numbers.
func (s *Server) hmaEntry(c *call, l store.Status) (store.Entry, error) {
	text := c.r.PathValue("id")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return store.Entry{}, hmaError(http.StatusNotFound, "content '%.40s' not found", text)
	}
	v, err := s.Store.Snapshot(c.r.Context(), l.Name)
	if err != nil {
		return store.Entry{}, err
	}
	defer v.Close()
	var found []store.Entry
	for e, err := range v.Entries(c.r.Context()) {
		if err != nil {
			return store.Entry{}, err
		}
		if contentID(l.Name, e.ID) == id {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return store.Entry{}, hmaError(http.StatusNotFound, "content '%d' not found", id)
	case 1:
		return found[0], nil
	}
	return store.Entry{}, hmaError(http.StatusConflict, "two entries have the number %d: use tidemark's own API", id)
}

// hmaContentConfig is what HMA tells of content.
type hmaContentConfig struct {
	ID           int64               `json:"id"`
	DisableUntil int64               `json:"disable_until_ts"` // 1 if it matches, 0 if it does not
	Metadata     map[string][]string `json:"collab_metadata"`
	URI          *string             `json:"original_media_uri"`
	Bank         hmaBankConfig       `json:"bank"`
	Signals      map[string]string   `json:"signals,omitempty"`
}

func (s *Server) hmaContentOf(l store.Status, e store.Entry) hmaContentConfig {
	a := hmaContentConfig{ID: contentID(l.Name, e.ID), Metadata: map[string][]string{}, Bank: s.hmaConfig(l)}
	if slices.ContainsFunc(e.Hashes, func(h store.Hash) bool { return !h.Quarantined }) {
		a.DisableUntil = 1
	}
	return a
}

func (s *Server) hmaContent(c *call) error {
	l, err := s.hmaList(c)
	if err != nil {
		return err
	}
	e, err := s.hmaEntry(c, l)
	if err != nil {
		return err
	}
	a := s.hmaContentOf(l, e)
	if strings.ToLower(c.r.URL.Query().Get("include_signals")) == "true" {
		if !l.Redistribute {
			return hmaError(http.StatusForbidden, "the bank's list may not be redistributed")
		}
		if err := s.Store.Audit(store.As(c.r.Context(), "hma"), store.Event{Do: "read.entry", List: l.Name, ListID: l.ID, Entries: []string{e.ID}}); err != nil {
			return err
		}
		a.Signals = map[string]string{}
		for _, h := range e.Hashes {
			a.Signals[hmaName(h.Kind)] = h.Text()
		}
	}
	return writeJSON(c.w, http.StatusOK, a)
}

func (s *Server) hmaUpdateContent(c *call) error {
	var n struct {
		Until *json.Number `json:"disable_until_ts"`
		Note  string       `json:"note"`
	}
	if err := c.hmaJSON(&n); err != nil {
		return err
	}
	l, err := s.hmaList(c)
	if err != nil {
		return err
	}
	e, err := s.hmaEntry(c, l)
	if err != nil {
		return err
	}
	if n.Until != nil {
		if *n.Until != "0" && *n.Until != "1" {
			return hmaError(http.StatusBadRequest, "disable_until_ts may be 0, which is off, or 1, which is on: nothing here comes back by itself")
		}
		if _, err := s.Store.Quarantine(store.As(c.r.Context(), "hma"), l.Name, e.ID, *n.Until == "0", n.Note); err != nil {
			return err
		}
		if err := s.load(c); err != nil {
			return err
		}
		if e, err = s.Store.Entry(c.r.Context(), l.Name, e.ID); err != nil {
			return err
		}
	}
	return writeJSON(c.w, http.StatusOK, s.hmaContentOf(l, e))
}

func (s *Server) hmaDeleteContent(c *call) error {
	l, err := s.hmaOwn(c)
	if err != nil {
		return err
	}
	e, err := s.hmaEntry(c, l)
	if p := (*match.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
		return writeJSON(c.w, http.StatusOK, map[string]int{"deleted": 0})
	} else if err != nil {
		return err
	}
	if err := s.hmaChange(c, l, store.Change{Delete: []string{e.ID}}); err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, map[string]int{"deleted": 1})
}

// hmaAPINames are the kinds of sources as HMA names them.
var hmaAPINames = []string{"fb_threatexchange", "local_file", "ncmec", "stop_ncii"}

// hmaExchanges names the banks that a source fills.
func (s *Server) hmaExchanges(c *call) error {
	names := []string{}
	for list := range s.HMA.Exchanges {
		names = append(names, bankName(list))
	}
	slices.Sort(names)
	return writeJSON(c.w, http.StatusOK, names)
}

func (s *Server) hmaAPIs(c *call) error { return writeJSON(c.w, http.StatusOK, hmaAPINames) }

func (s *Server) hmaAPI(c *call) error {
	api := c.r.PathValue("api")
	if !slices.Contains(hmaAPINames, api) {
		return hmaError(http.StatusBadRequest, "no such Exchange API '%.40s'", api)
	}
	set := slices.Contains(slices.Collect(maps.Values(s.HMA.Exchanges)), api)
	return writeJSON(c.w, http.StatusOK, map[string]bool{"supports_authentification": api != "local_file", "has_set_authentification": set && api != "local_file"})
}

// hmaExchangeOf returns the kind of source that fills the bank of a path, and its
// list, which is not there before the source was first asked.
func (s *Server) hmaExchangeOf(c *call) (api string, l store.Status, err error) {
	bank := c.r.PathValue("bank")
	for list, api := range s.HMA.Exchanges {
		if bankName(list) == bank {
			l, err := s.Store.Status(c.r.Context(), list)
			if errors.Is(err, store.ErrNoList) {
				err = nil
			}
			return api, l, err
		}
	}
	return "", l, hmaError(http.StatusNotFound, "Exchange '%.100s' not found", bank)
}

func (s *Server) hmaExchange(c *call) error {
	api, _, err := s.hmaExchangeOf(c)
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, map[string]any{"name": c.r.PathValue("bank"), "api": api, "enabled": true})
}

// hmaFetchStatus is what HMA tells of an exchange.
type hmaFetchStatus struct {
	Succeeded  bool   `json:"last_fetch_succeeded"`
	Completed  *int64 `json:"last_fetch_complete_ts"`
	Checkpoint *int64 `json:"checkpoint_ts"`
	Running    *int64 `json:"running_fetch_start_ts"`
	Items      int    `json:"fetched_items"`
	UpToDate   bool   `json:"up_to_date"`
}

func (s *Server) hmaExchangeStatus(c *call) error {
	_, l, err := s.hmaExchangeOf(c)
	if err != nil {
		return err
	}
	a := hmaFetchStatus{Items: l.Entries}
	if at := ingest.Checked(l); !at.IsZero() {
		seconds := at.Unix()
		a.Completed, a.Checkpoint = &seconds, &seconds
		a.Succeeded = true
		a.UpToDate = time.Since(at) < time.Hour && !slices.Contains(s.engine.Stale(), l.Name)
	}
	return writeJSON(c.w, http.StatusOK, a)
}
