//go:build !faiss

package main

import (
	"strings"
	"testing"
)

// TestMissingFaiss asks a build without Faiss for it.
func TestMissingFaiss(t *testing.T) {
	_, err := chooseEngines("multi,faiss-flat")
	if err == nil || !strings.Contains(err.Error(), "libfaiss-dev") || !strings.Contains(err.Error(), "-tags faiss") {
		t.Errorf("chooseEngines() = %v, want an error that says what Faiss needs", err)
	}
}
