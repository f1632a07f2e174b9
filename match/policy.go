package match

// Policy says how matches become decisions: what holds on each surface and for
// each list.
type Policy struct {
	Surfaces map[string]Surface
}

// Surface is a place where people post in public.
type Surface struct {
	// OnUndecided is the decision when an upload could not be judged; "" means
	// Review.
	OnUndecided Decision `json:"on_undecided"`
	// Encrypted surfaces are refused unread: Tidemark never scans private
	// messages.
	Encrypted  bool   `json:"encrypted"`
	ContentURL string `json:"content_url"`
}
