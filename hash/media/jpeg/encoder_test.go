package jpeg

import (
	"encoding/binary"
	"math/rand/v2"
)

// A maker writes sequential JPEG files from coefficients, to have what
// encoders do not write: any sampling, any colour space, extreme values,
// 16-bit quantizers, every order of segments.
type maker struct {
	width, height int
	ids           string   // a byte for each component
	sampling      [][2]int // of each component
	adobe         int      // transform of an Adobe segment, -1 for none
	wide          bool     // 16-bit quantization tables
	quant         func(table, k int) int
	scans         [][]int // components of each scan, nil for one of all
	restart       int
	junk          bool // comments, fill bytes and APPn segments in every gap
	noTables      bool // no Huffman tables, as in Motion JPEG
	coefficient   func(component, k int) int

	out  []byte
	acc  uint32
	bits int
}

// code is a Huffman code.
type code struct {
	bits uint32
	n    int
}

// codes are the codes of the standard tables, by class, table and symbol.
var codes = func() (all [2][2][256]code) {
	for class := range all {
		for index := range all[class] {
			t := &standardTables[class][index]
			next, i := uint32(0), 0
			for l, n := range t.counts {
				for range n {
					all[class][index][t.values[i]] = code{next, l + 1}
					next++
					i++
				}
				next <<= 1
			}
		}
	}
	return
}()

func (m *maker) segment(marker byte, payload ...byte) {
	if m.junk {
		m.out = append(m.out, 0xff, com, 0, 7, 0xff, sos, 1, 2, 3, 0xff, 0xff)
	}
	m.out = append(m.out, 0xff, marker)
	m.out = binary.BigEndian.AppendUint16(m.out, uint16(len(payload)+2))
	m.out = append(m.out, payload...)
}

func (m *maker) put(c code) {
	m.acc = m.acc<<c.n | c.bits
	for m.bits += c.n; m.bits >= 8; m.bits -= 8 {
		b := byte(m.acc >> (m.bits - 8))
		if m.out = append(m.out, b); b == 0xff {
			m.out = append(m.out, 0)
		}
	}
}

func (m *maker) flush() {
	if m.bits > 0 {
		m.put(code{1<<(8-m.bits) - 1, 8 - m.bits})
	}
	m.acc, m.bits = 0, 0
}

// value returns the bits of v and how many there are.
func value(v int) code {
	n, a := 0, max(v, -v)
	for ; a>>n > 0; n++ {
	}
	if v < 0 {
		v += 1<<n - 1
	}
	return code{uint32(v), n}
}

func (m *maker) block(component int, pred *int) {
	table := min(component, 1)
	dc := m.coefficient(component, 0)
	v := value(dc - *pred)
	*pred = dc
	m.put(codes[0][table][v.n])
	m.put(v)
	run := 0
	for k := 1; k < 64; k++ {
		v := value(m.coefficient(component, k))
		if v.n == 0 {
			run++
			continue
		}
		for ; run > 15; run -= 16 {
			m.put(codes[1][table][0xf0])
		}
		m.put(codes[1][table][run<<4|v.n])
		m.put(v)
		run = 0
	}
	if run > 0 {
		m.put(codes[1][table][0])
	}
}

func (m *maker) scan(components ...int) {
	header := []byte{byte(len(components))}
	for _, c := range components {
		header = append(header, m.ids[c], byte(min(c, 1)*0x11))
	}
	m.segment(sos, append(header, 0, 63, 0)...)
	maxH, maxV := 1, 1
	for _, s := range m.sampling {
		maxH, maxV = max(maxH, s[0]), max(maxV, s[1])
	}
	across, down := ceilDiv(m.width, 8*maxH), ceilDiv(m.height, 8*maxV)
	if len(components) == 1 {
		s := m.sampling[components[0]]
		across, down = ceilDiv(m.width*s[0], 8*maxH), ceilDiv(m.height*s[1], 8*maxV)
	}
	var preds [4]int
	for i := range across * down {
		if m.restart > 0 && i > 0 && i%m.restart == 0 {
			m.flush()
			m.out = append(m.out, 0xff, rst0+byte(i/m.restart-1)&7)
			preds = [4]int{}
		}
		for _, c := range components {
			n := m.sampling[c][0] * m.sampling[c][1]
			if len(components) == 1 {
				n = 1
			}
			for range n {
				m.block(c, &preds[c])
			}
		}
	}
	m.flush()
}

// file returns the whole file.
func (m *maker) file() []byte {
	m.out = []byte{0xff, soi}
	if m.adobe >= 0 {
		m.segment(app14, append([]byte("Adobe"), 0, 100, 0, 0, 0, 0, byte(m.adobe))...)
	}
	for table := range 2 {
		payload := []byte{byte(table)}
		if m.wide {
			payload[0] |= 0x10
		}
		for k := range 64 {
			if m.wide {
				payload = binary.BigEndian.AppendUint16(payload, uint16(m.quant(table, k)))
			} else {
				payload = append(payload, byte(m.quant(table, k)))
			}
		}
		m.segment(dqt, payload...)
	}
	frame := []byte{8, byte(m.height >> 8), byte(m.height), byte(m.width >> 8), byte(m.width), byte(len(m.ids))}
	for i, s := range m.sampling {
		frame = append(frame, m.ids[i], byte(s[0]<<4|s[1]), byte(min(i, 1)))
	}
	m.segment(sof0, frame...)
	for class := range 2 {
		for index := range 2 {
			t := &standardTables[class][index]
			if !m.noTables {
				m.segment(dht, append(append([]byte{byte(class<<4 | index)}, t.counts[:]...), t.values...)...)
			}
		}
	}
	if m.restart > 0 {
		m.segment(dri, byte(m.restart>>8), byte(m.restart))
	}
	for _, components := range m.scans {
		m.scan(components...)
	}
	if m.scans == nil {
		all := []int{0, 1, 2, 3}
		m.scan(all[:len(m.ids)]...)
	}
	return append(m.out, 0xff, eoi)
}

// apart is a scan for each of three components.
var apart = [][]int{{0}, {1}, {2}}

// newMaker returns a maker of files whose coefficients are those of a busy
// picture.
func newMaker(r *rand.Rand, w, h int, ids string, sampling ...[2]int) *maker {
	m := &maker{width: w, height: h, ids: ids, sampling: sampling, adobe: -1}
	m.quant = func(table, k int) int { return 3 + k*(table+1)/2 }
	m.coefficient = func(_, k int) int {
		switch {
		case k == 0:
			return r.IntN(600) - 300
		case r.IntN(4+k) < 4:
			return r.IntN(41) - 20
		}
		return 0
	}
	return m
}
