package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tidemark-project/tidemark/match"
)

// Vote is what this operator thinks of an entry, and how far that has come on its
// way to the list's source.
type Vote struct {
	List, Entry string
	For         bool
	Reason      string    // of the person who voted, up to 1024 bytes
	Time        time.Time // when it was given

	Sent    time.Time // when the source took it; zero until then
	Refused bool      // the source does not take it as it is
	Tries   int       // that failed in a row
	Next    time.Time // it is not to be tried before
	Problem string    // of the last try, up to 1024 bytes
}

// Waits reports whether the vote is still to be sent.
func (v *Vote) Waits() bool { return v.Sent.IsZero() && !v.Refused }

func voteKey(list listID, entry string) []byte {
	return append(append([]byte{keyVote}, list[:]...), entry...)
}

func (v *Vote) encode() []byte {
	b := appendText([]byte{'T', 'V', recordVersion}, v.Entry)
	b = appendBool(b, v.For)
	b = appendText(b, v.Reason)
	b = appendTime(b, v.Time)
	b = appendTime(b, v.Sent)
	b = appendBool(b, v.Refused)
	b = binary.AppendUvarint(b, uint64(v.Tries))
	b = appendTime(b, v.Next)
	return sealCRC(appendText(b, v.Problem))
}

func (v *Vote) decode(b string) error {
	d := decoder{rest: b}
	d.sealed()
	d.mark("TV", recordVersion)
	v.Entry = d.text(maxID)
	v.For = d.bool()
	v.Reason = d.text(maxNote)
	v.Time = d.time()
	v.Sent = d.time()
	v.Refused = d.bool()
	v.Tries = int(d.number())
	v.Next = d.time()
	v.Problem = d.text(maxNote)
	return d.end()
}

// Vote gives an entry a vote, which counts at once, see [Entry.Stance], and puts it
// among those to be sent to the list's source. It takes the place of the vote
// before. The same vote twice is one: it is returned as it stands. The error is
// [ErrNoEntry] if the list has no such entry.
func (s *Store) Vote(ctx context.Context, list, entry string, up bool, reason string) (Vote, error) {
	if err := checkNote(reason); err != nil {
		return Vote{}, err
	}
	l, err := s.find(list)
	if err != nil {
		return Vote{}, err
	}
	vote := match.Negative
	if up {
		vote = match.Positive
	}
	if _, err := s.decide(ctx, list, entry, "vote", func(e *Entry) { e.Vote, e.Voted = vote, true }); err != nil {
		return Vote{}, err
	}
	v := Vote{List: list, Entry: entry, For: up, Reason: reason, Time: time.Now().UTC().Round(0)}
	e := Event{Do: "feedback.vote", List: list, ListID: l.id.String(), Entries: []string{entry}, Reason: reason, Words: string(vote)}
	return v, s.putVote(ctx, l, &v, e, func(was *Vote) bool {
		if was != nil && was.For == up && was.Reason == reason && !was.Refused {
			v = *was
			v.List = list
			return false
		}
		return true
	})
}

// Settle keeps what came of an attempt to send a vote, unless another vote has
// taken its place meanwhile.
func (s *Store) Settle(ctx context.Context, v Vote) error {
	l, err := s.find(v.List)
	if err != nil {
		return err
	}
	if err := checkNote(v.Problem); err != nil {
		return err
	}
	e := Event{List: v.List, ListID: l.id.String(), Entries: []string{v.Entry}, Words: v.Problem}
	switch {
	case !v.Sent.IsZero():
		e.Do = "feedback.sent"
	case v.Refused:
		e.Do = "feedback.refused"
	}
	return s.putVote(ctx, l, &v, e, func(was *Vote) bool { return was != nil && was.Time.Equal(v.Time) })
}

// putVote writes a vote, and an event unless its name is "", if that is wanted in
// the place of what was there.
func (s *Store) putVote(ctx context.Context, l *list, v *Vote, e Event, wanted func(was *Vote) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	if err := s.room(0); err != nil {
		return err
	}
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	if s.lists[l.id] != l {
		return fmt.Errorf("%w: %s was removed", ErrNoList, v.List)
	}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	was, err := readVote(txn, l.id, v.Entry)
	if err != nil || !wanted(was) {
		return err
	}
	p := pair{voteKey(l.id, v.Entry), v.encode()}
	if e.Do == "" {
		return s.write([]pair{p})
	}
	return s.tell(ctx, txn, e, p)
}

// readVote returns the vote on an entry, nil if there is none.
func readVote(txn *badger.Txn, list listID, entry string) (*Vote, error) {
	item, err := txn.Get(voteKey(list, entry))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, nil
	}
	var v Vote
	if err == nil {
		err = item.Value(func(b []byte) error { return v.decode(string(b)) })
	}
	if err != nil {
		return nil, fmt.Errorf("store: the vote on entry %q: %w", entry, err)
	}
	return &v, nil
}

// Votes returns the votes on a list's entries, the oldest first: those that wait,
// and those that were sent or refused.
func (s *Store) Votes(ctx context.Context, list string) ([]Vote, error) {
	v, err := s.Snapshot(ctx, list)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var all []Vote
	for _, key := range voteKeys(v.txn, v.state.rec.id) {
		vote, err := readVote(v.txn, v.state.rec.id, string(key[1+len(listID{}):]))
		if err != nil {
			return nil, err
		}
		vote.List = list
		all = append(all, *vote)
	}
	slices.SortFunc(all, func(a, b Vote) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Entry, b.Entry)) })
	return all, ctx.Err()
}

// voteKeys returns the keys of the votes on a list's entries.
func voteKeys(txn *badger.Txn, list listID) (keys [][]byte) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: voteKey(list, "")})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		keys = append(keys, it.Item().KeyCopy(nil))
	}
	return keys
}
