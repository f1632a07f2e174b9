package engine

import (
	"slices"
	"sort"
)

// nameBlock is how many names share a start in names.starts.
const nameBlock = 16

// names numbers the entries of a block of a list in the order in which they come,
// and gives their ids by number. Each id is kept as what differs from the one
// before it: lists come sorted by id, and ids are most of the memory of a large
// list otherwise.
type names struct {
	text   []byte   // for each name: length of what is shared, length of the rest, the rest
	starts []uint64 // where every nameBlock-th name begins, which shares nothing
	count  uint32
	last   string
}

// add numbers an id, of at most 255 bytes.
func (n *names) add(id string) uint32 {
	shared := 0
	if n.count%nameBlock == 0 {
		n.starts = append(n.starts, uint64(len(n.text)))
	} else {
		for shared < min(len(id), len(n.last)) && id[shared] == n.last[shared] {
			shared++
		}
	}
	n.text = append(n.text, byte(shared), byte(len(id)-shared))
	n.text = append(n.text, id[shared:]...)
	n.last = id
	n.count++
	return n.count - 1
}

// at returns the id of a number.
func (n *names) at(number uint32) string {
	var id [255]byte
	length := 0
	text := n.text[n.starts[number/nameBlock]:]
	for range number%nameBlock + 1 {
		shared, rest := int(text[0]), int(text[1])
		length = shared + copy(id[shared:], text[2:2+rest])
		text = text[2+rest:]
	}
	return string(id[:length])
}

// find returns the number of an id, if the ids came sorted and it is among them.
func (n *names) find(id string) (number uint32, ok bool) {
	first := func(block int) string {
		text := n.text[n.starts[block]:]
		return string(text[2 : 2+int(text[1])])
	}
	// The block before the first one that begins beyond id.
	block := sort.Search(len(n.starts), func(b int) bool { return first(b) > id }) - 1
	if block < 0 {
		return 0, false
	}
	for i := uint32(block) * nameBlock; i < min(n.count, uint32(block+1)*nameBlock); i++ {
		if n.at(i) == id {
			return i, true
		}
	}
	return 0, false
}

// nameBlocks are the names of a list, block after block: the numbers of a block
// go on where those of the one before end.
type nameBlocks struct {
	blocks []names
	firsts []uint32 // the number with which each block begins; one more at the end
}

// count returns how many names there are.
func (n *nameBlocks) count() uint32 {
	if len(n.firsts) == 0 {
		return 0
	}
	return n.firsts[len(n.firsts)-1]
}

// append adds a block, which must not be added to any more.
func (n *nameBlocks) append(b names) {
	if b.count == 0 {
		return
	}
	first := n.count()
	if first == 0 {
		n.firsts = append(n.firsts, 0)
	}
	b.text, b.starts, b.last = slices.Clone(b.text), slices.Clone(b.starts), ""
	n.blocks, n.firsts = append(n.blocks, b), append(n.firsts, first+b.count)
}

// at returns the id of a number.
func (n *nameBlocks) at(number uint32) string {
	i := sort.Search(len(n.blocks), func(i int) bool { return n.firsts[i+1] > number })
	return n.blocks[i].at(number - n.firsts[i])
}

// find returns the number of an id, if the ids came sorted and it is among them.
func (n *nameBlocks) find(id string) (number uint32, ok bool) {
	i := sort.Search(len(n.blocks), func(i int) bool { return n.blocks[i].at(0) > id }) - 1
	if i < 0 {
		return 0, false
	}
	number, ok = n.blocks[i].find(id)
	return n.firsts[i] + number, ok
}
