package match

import "fmt"

// Upload is one line of what POST /v1/match/hashes and /v1/match/stream take: an
// upload by its hashes, or by its bytes.
type Upload struct {
	ContentID string `json:"content_id,omitempty"`
	Surface   string `json:"surface,omitempty"`
	Hashes    []Hash `json:"hashes,omitempty"`
	// Orientations has PDQ hashes looked up also as what they tell of their
	// pictures turned and mirrored, which is less exact than the pictures are.
	Orientations bool   `json:"orientations,omitempty"`
	File         []byte `json:"file,omitempty"` // in base64; then there are no hashes
}

// Line is one line of what POST /v1/match/hashes and /v1/match/stream give: the answer to the
// upload in its place, or what kept that line from one.
type Line struct {
	Answer
	Error *Error `json:"error,omitempty"`
}

// Problem is the body of an error of the HTTP service: problem details after
// RFC 9457. It is also the error that its client returns.
type Problem struct {
	Type     string `json:"type"`     // "about:blank": the code says more
	Title    string `json:"title"`    // the status in words
	Status   int    `json:"status"`   // of HTTP
	Code     string `json:"code"`     // one word that does not change between versions
	Detail   string `json:"detail"`   // what happened; never a hash
	Remedy   string `json:"remedy"`   // what to do about it
	Instance string `json:"instance"` // the request's id, as it is in the log
}

func (p *Problem) Error() string {
	return fmt.Sprintf("tidemark answered %d %s: %s; %s", p.Status, p.Code, p.Detail, p.Remedy)
}
