package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"log"
	"math/rand/v2"
	"os"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// An upload pipeline asks the engine before it publishes: here about a copy of a
// listed picture that was mirrored and recompressed, and about another picture.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "tidemark")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()

	// A list of one entry: the hash of a picture that must not be posted.
	listed := drawing(1)
	var hasher media.Hasher
	sums, err := hasher.Hash(ctx, compressed(listed, 95), hash.Full)
	if err != nil {
		log.Fatal(err)
	}
	if err := st.Create(ctx, store.List{Name: "harbour", Mode: match.ModeReview}); err != nil {
		log.Fatal(err)
	}
	entry := store.Entry{ID: "case-7", Hashes: []store.Hash{{Hash: sums.Frames[0].Full.PDQ.Hash(), Quality: hash.UnknownQuality}}}
	if _, err := st.Apply(ctx, "harbour", store.Change{Put: []store.Entry{entry}}); err != nil {
		log.Fatal(err)
	}

	policy := match.Policy{Surfaces: map[string]match.Surface{"feed": {}, "messages": {Encrypted: true}}}
	eng, err := engine.New(ctx, st, policy, media.Limits{}, 0)
	if err != nil {
		log.Fatal(err)
	}
	publish := func(input, surface string, file []byte) {
		a := eng.Match(ctx, engine.Request{Input: input, Surface: surface, Data: file})
		switch a.Act() {
		case match.Allow:
			fmt.Printf("%s is published: %s\n", a.Input, a.Words)
		case match.Review:
			fmt.Printf("%s waits for a reviewer: %s\n", a.Input, a.Words)
		case match.Block:
			fmt.Printf("%s is refused: %s\n", a.Input, a.Words)
		default:
			fmt.Printf("%s was not judged: %s\n", a.Input, a.Words)
		}
		for _, m := range a.Matches {
			fmt.Printf("  view %s, %d bits away\n", m.View, m.Distance)
		}
	}
	publish("1.jpg", "feed", compressed(mirrored(listed), 50))
	publish("2.jpg", "feed", compressed(drawing(2), 90))
	publish("3.txt", "feed", []byte("no picture"))
	publish("4.jpg", "messages", compressed(listed, 90))

	// Output:
	// 1.jpg waits for a reviewer: Review: similar to entry case-7 of list harbour.
	//   view flipy, 2 bits away
	// 2.jpg is published: Allow: nothing on the lists that apply matches.
	// 3.txt waits for a reviewer: Undecided, and the surface wants review then; unsupported: not a JPEG, PNG, GIF, WebP, AVIF, HEIC, BMP or TIFF file.
	// 4.jpg was not judged: Refused unread; surface messages is encrypted, and Tidemark never looks into private messages.
}

// drawing returns a picture of overlapping boxes.
func drawing(seed uint64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 0))
	img := image.NewRGBA(image.Rect(0, 0, 320, 240))
	for range 80 {
		c := color.RGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256)), 255}
		x0, y0 := rng.IntN(320), rng.IntN(240)
		for y := y0; y < min(240, y0+60); y++ {
			for x := x0; x < min(320, x0+60); x++ {
				img.SetRGBA(x, y, c)
			}
		}
	}
	return img
}

func mirrored(img *image.RGBA) *image.RGBA {
	b := img.Bounds()
	out := image.NewRGBA(b)
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.SetRGBA(b.Dx()-1-x, y, img.RGBAAt(x, y))
		}
	}
	return out
}

func compressed(img image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		log.Fatal(err)
	}
	return b.Bytes()
}
