package elf

import "math/bits"

// huffman is a code of DEFLATE (RFC 1951, 3.2.2) as a table. The first rows are found
// by the next bits of the input, so many as first tells; where a code is longer, the
// row there is the link to rows for its other bits. A row has in its low byte how many
// bits to take, in the next how many of them are the code itself, and from bit 16 on
// the literal or the least value, to which the other bits are added. A row of 0 is no
// code.
type huffman struct {
	rows  []uint32
	first uint
}

const (
	isLiteral = 1 << 31
	isEnd     = 1 << 15
	isLink    = 1 << 14

	maxCode      = 15 // bits
	literalBits  = 11
	distanceBits = 9
	lengthBits   = 7 // of the code for lengths of codes
)

// find is the row for the bits that come next.
func (h *huffman) find(hold uint64) uint32 {
	row := h.rows[hold&(1<<h.first-1)]
	if row&isLink != 0 {
		row = h.rows[row>>16+uint32(hold>>h.first)&(1<<(maxCode-h.first)-1)]
	}
	return row
}

// build makes the table of the code whose symbols have these lengths, 0 not used; row
// tells what a symbol stands for, without its code. A code must use up all bit
// patterns, or be of a single bit, or empty.
func (h *huffman) build(lens []uint8, first uint, row func(symbol int) uint32) error {
	var counts, next [maxCode + 1]int
	longest := 0
	for _, n := range lens {
		counts[n]++
		longest = max(longest, int(n))
	}
	counts[0] = 0
	code := 0
	for n := 1; n <= longest; n++ {
		code = (code + counts[n-1]) << 1
		next[n] = code
		if code+counts[n] > 1<<n {
			return errDeflate
		}
	}
	if longest > 1 && code+counts[longest] != 1<<longest {
		return errDeflate
	}
	h.first = first
	if cap(h.rows) < 1<<first {
		h.rows = make([]uint32, 1<<first, 2<<first)
	}
	h.rows = h.rows[:1<<first]
	clear(h.rows)
	for sym, n := range lens {
		if n == 0 {
			continue
		}
		at := uint(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		r := row(sym)
		if r != 0 {
			r += uint32(n)<<8 | uint32(n)
		}
		h.put(at, uint(n), r)
	}
	return nil
}

// put fills in the rows of a code of n bits.
func (h *huffman) put(code, n uint, row uint32) {
	if n <= h.first {
		for i := code; i < 1<<h.first; i += 1 << n {
			h.rows[i] = row
		}
		return
	}
	link := code & (1<<h.first - 1)
	if h.rows[link] == 0 {
		h.rows[link] = uint32(len(h.rows))<<16 | isLink
		h.rows = append(h.rows, make([]uint32, 1<<(maxCode-h.first))...)
	}
	rest := h.rows[h.rows[link]>>16:][:1<<(maxCode-h.first)]
	for i := code >> h.first; i < 1<<(maxCode-h.first); i += 1 << (n - h.first) {
		rest[i] = row
	}
}

// plainRow is that of a code whose symbols are values.
func plainRow(symbol int) uint32 { return uint32(symbol)<<16 | isLiteral }

// literalRow is that of the code for literals and the lengths of matches.
func literalRow(symbol int) uint32 {
	switch {
	case symbol < endOfBlock:
		return uint32(symbol)<<16 | isLiteral
	case symbol == endOfBlock:
		return isEnd
	case symbol == 285:
		return longestMatch << 16
	case symbol > 285:
		return 0
	}
	return ranged(symbol-257, 8, 4, 3)
}

// distanceRow is that of the code for distances of matches.
func distanceRow(symbol int) uint32 {
	if symbol >= 30 {
		return 0
	}
	return ranged(symbol, 4, 2, 1)
}

// ranged is the row of the nth range of values: the first ranges have one value each,
// those behind are larger by a bit after every few.
func ranged(n, singles, each int, least uint32) uint32 {
	if n < singles {
		return (least + uint32(n)) << 16
	}
	more := n/each - 1
	base := uint32(each+n%each) << more
	return (least+base)<<16 | uint32(more)
}
