package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A series is a line in a plot.
type series struct {
	name   string
	x, y   []float64
	dashed bool
}

// Sizes in pixels, and the colours of series in order.
const (
	plotWidth, plotHeight = 900, 560
	plotLeft, plotRight   = 84, 190 // right: where the legend is
	plotTop, plotBottom   = 56, 64
)

var plotColours = []string{"#0b6e4f", "#c8553d", "#3d5a99", "#8f6bb3", "#b8860b", "#5b5b5b", "#2a9d8f", "#a23b72"}

// plotSVG draws series over two logarithmic axes. A name that comes again, for a
// dashed companion, keeps its colour.
func plotSVG(w io.Writer, title, xLabel, yLabel string, lines []series) error {
	var xs, ys []float64
	for _, s := range lines {
		xs, ys = append(xs, s.x...), append(ys, s.y...)
	}
	if len(xs) == 0 {
		return fmt.Errorf("plot %q: nothing to draw", title)
	}
	x := newAxis(slices.Min(xs), slices.Max(xs), plotLeft, plotWidth-plotRight)
	y := newAxis(slices.Min(ys), slices.Max(ys), plotHeight-plotBottom, plotTop)
	var b strings.Builder
	text := func(x, y float64, anchor, style, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, escape(s))
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" font-family="sans-serif" font-size="13" fill="#222">`+"\n", plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", plotWidth, plotHeight)
	text(plotLeft, 30, "start", `font-size="17" font-weight="bold"`, title)
	for _, t := range x.ticks() {
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#ddd"/>`+"\n", x.at(t), plotTop, plotHeight-plotBottom)
		text(x.at(t), plotHeight-plotBottom+20, "middle", "", short(t))
	}
	for _, t := range y.ticks() {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#ddd"/>`+"\n", plotLeft, y.at(t), plotWidth-plotRight)
		text(plotLeft-8, y.at(t)+4, "end", "", short(t))
	}
	text((plotLeft+plotWidth-plotRight)/2, plotHeight-18, "middle", "", xLabel)
	fmt.Fprintf(&b, `<text transform="translate(22 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (plotTop+plotHeight-plotBottom)/2, escape(yLabel))
	colours := map[string]string{}
	for i, s := range lines {
		colour, ok := colours[s.name]
		if !ok {
			colour = plotColours[len(colours)%len(plotColours)]
			colours[s.name] = colour
		}
		dash := ""
		if s.dashed {
			dash = ` stroke-dasharray="6 4"`
		}
		var d strings.Builder
		for j := range s.x {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(j, 1)], x.at(s.x[j]), y.at(s.y[j]))
		}
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"%s/>`+"\n", &d, colour, dash)
		for j := range s.x {
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x.at(s.x[j]), y.at(s.y[j]), colour)
		}
		at := float64(plotTop + 12 + 22*i)
		name := s.name
		if s.dashed {
			name += ", p99"
		}
		fmt.Fprintf(&b, `<path d="M%d %.1fh26" stroke="%s" stroke-width="2"%s/>`+"\n", plotWidth-plotRight+14, at-4, colour, dash)
		text(plotWidth-plotRight+46, at, "start", "", name)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// An axis maps decades to pixels.
type axis struct{ low, high, from, to float64 }

func newAxis(low, high float64, from, to float64) axis {
	a := axis{math.Floor(math.Log10(low)), math.Ceil(math.Log10(high)), from, to}
	if a.low == a.high {
		a.high++
	}
	return a
}

func (a axis) at(v float64) float64 {
	return a.from + (math.Log10(v)-a.low)/(a.high-a.low)*(a.to-a.from)
}

func (a axis) ticks() (ts []float64) {
	for e := a.low; e <= a.high; e++ {
		ts = append(ts, math.Pow(10, e))
	}
	return ts
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
