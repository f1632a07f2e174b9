package ingest

import (
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

// Checked returns when a list was last known to be in step with its source: the
// end of the last run of [Sync] that came to one, or of a list that no source
// fills, its last change. It is zero if there was none.
func Checked(l store.Status) time.Time {
	if len(l.Cursor) == 0 {
		return l.Applied
	}
	p, err := ReadProgress(l.Cursor)
	if err != nil {
		return time.Time{} // what left the cursor says nothing of being in step
	}
	return p.Checked
}
