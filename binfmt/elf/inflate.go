package elf

import (
	"encoding/binary"
	"errors"
	"io"
)

// inflater decompresses DEFLATE (RFC 1951) from a slice straight into a slice of the
// size that is known beforehand, and can stop anywhere on its way: there is no window
// to copy from, and the far ends of both slices are the only places that need care.
// The checksum behind zlib's data is not verified, as what lies uncompressed beside it
// has none.
type inflater struct {
	in   []byte
	pos  int    // of the next byte that is not in hold
	hold uint64 // bits that were taken from in, the next one lowest
	held uint   // how many
	out  []byte
	have int // bytes of out that are there

	block  blockKind
	last   bool // the block is the last one
	left   int  // bytes of a stored block to come
	lit    huffman
	dist   huffman
	single [maxLiterals + maxDistances]uint8 // lengths of a block's codes
}

type blockKind uint8

const (
	noBlock blockKind = iota // the next block's header follows
	storedBlock
	codedBlock
	ended
)

// errDeflate: what is there is no DEFLATE data.
var errDeflate = errors.New("the compressed data is damaged")

// newInflater reads zlib's header (RFC 1950).
func newInflater(zlib []byte, size uint64) (*inflater, error) {
	if len(zlib) < 2 {
		return nil, io.ErrUnexpectedEOF
	}
	method, flags := zlib[0], zlib[1]
	const deflate, preset = 8, 0x20
	if method&15 != deflate || method>>4 > 7 || (uint(method)<<8|uint(flags))%31 != 0 || flags&preset != 0 {
		return nil, errors.New("it is not in zlib's format")
	}
	return &inflater{in: zlib[2:], out: make([]byte, size)}, nil
}

// upTo goes on until n bytes are there, perhaps a few more. Input that ends before
// is io.ErrUnexpectedEOF.
func (f *inflater) upTo(n int) error {
	for f.have < n {
		var err error
		switch f.block {
		case noBlock:
			err = f.header()
		case storedBlock:
			err = f.stored()
		case codedBlock:
			if f.fast(n); f.have < n && f.block == codedBlock {
				err = f.symbol()
			}
		default:
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// done lets go of what only going on would need.
func (f *inflater) done() { f.in, f.lit, f.dist = nil, huffman{}, huffman{} }

// fill has at least 56 bits in hold, or all that are left.
func (f *inflater) fill() {
	if f.pos+8 <= len(f.in) {
		f.hold |= binary.LittleEndian.Uint64(f.in[f.pos:]) << (f.held & 63)
		f.pos += int((63 - f.held) >> 3)
		f.held |= 56
		return
	}
	for f.held <= 56 && f.pos < len(f.in) {
		f.hold |= uint64(f.in[f.pos]) << f.held
		f.held += 8
		f.pos++
	}
}

// take takes the next n bits, at most 16.
func (f *inflater) take(n uint) (uint, error) {
	if f.held < n {
		if f.fill(); f.held < n {
			return 0, io.ErrUnexpectedEOF
		}
	}
	v := uint(f.hold & (1<<n - 1))
	f.drop(n)
	return v, nil
}

func (f *inflater) drop(n uint) { f.hold, f.held = f.hold>>n, f.held-n }

// header begins the next block.
func (f *inflater) header() error {
	if f.last {
		f.block = ended
		return nil
	}
	v, err := f.take(3)
	if err != nil {
		return err
	}
	f.last = v&1 != 0
	switch v >> 1 {
	case 0:
		return f.beginStored()
	case 1:
		f.block = codedBlock
		return f.fixed()
	case 2:
		f.block = codedBlock
		return f.dynamic()
	}
	return errDeflate
}

func (f *inflater) beginStored() error {
	f.drop(f.held % 8)
	size, err := f.take(16)
	if err != nil {
		return err
	}
	check, err := f.take(16)
	if err != nil {
		return err
	}
	if size != check^0xffff {
		return errDeflate
	}
	f.pos -= int(f.held / 8) // what is held is the block's
	f.hold, f.held = 0, 0
	f.block, f.left = storedBlock, int(size)
	return nil
}

func (f *inflater) stored() error {
	n := copy(f.out[f.have:], f.in[f.pos:min(f.pos+f.left, len(f.in))])
	f.pos, f.have, f.left = f.pos+n, f.have+n, f.left-n
	switch {
	case f.left == 0:
		f.block = noBlock
	case n == 0:
		return io.ErrUnexpectedEOF
	}
	return nil
}

const (
	maxLiterals  = 288
	maxDistances = 32
	endOfBlock   = 256
)

// fixed makes the codes that need no telling.
func (f *inflater) fixed() error {
	lens := f.single[:maxLiterals]
	for i := range lens {
		switch {
		case i < 144:
			lens[i] = 8
		case i < 256:
			lens[i] = 9
		case i < 280:
			lens[i] = 7
		default:
			lens[i] = 8
		}
	}
	if err := f.lit.build(lens, literalBits, literalRow); err != nil {
		return err
	}
	lens = lens[:maxDistances]
	for i := range lens {
		lens[i] = 5
	}
	return f.dist.build(lens, distanceBits, distanceRow)
}

// codeOrder is the order in which the lengths of the code for lengths come.
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamic reads the block's own codes.
func (f *inflater) dynamic() error {
	v, err := f.take(14)
	if err != nil {
		return err
	}
	literals, distances, codes := int(v&31)+257, int(v>>5&31)+1, int(v>>10)+4
	if literals > 286 || distances > 30 {
		return errDeflate
	}
	lens := [19]uint8{}
	for _, at := range codeOrder[:codes] {
		n, err := f.take(3)
		if err != nil {
			return err
		}
		lens[at] = uint8(n)
	}
	if err := f.lit.build(lens[:], lengthBits, plainRow); err != nil {
		return err
	}
	all := f.single[:literals+distances]
	if err := f.lengths(all); err != nil {
		return err
	}
	if all[endOfBlock] == 0 {
		return errDeflate
	}
	if err := f.dist.build(all[literals:], distanceBits, distanceRow); err != nil {
		return err
	}
	return f.lit.build(all[:literals], literalBits, literalRow)
}

// lengths reads the lengths of codes, which are coded themselves.
func (f *inflater) lengths(all []uint8) error {
	for i := 0; i < len(all); {
		f.fill()
		row := f.lit.find(f.hold)
		if row == 0 || row&0xff > uint32(f.held) {
			return f.broken(row)
		}
		f.drop(uint(row & 0xff))
		sym := row >> 16 & 0xff
		if sym < 16 {
			all[i] = uint8(sym)
			i++
			continue
		}
		repeat, value := [3]struct{ bits, least uint }{{2, 3}, {3, 3}, {7, 11}}[sym-16], uint8(0)
		if sym == 16 {
			if i == 0 {
				return errDeflate
			}
			value = all[i-1]
		}
		more, err := f.take(repeat.bits)
		if err != nil {
			return err
		}
		n := int(repeat.least + more)
		if n > len(all)-i {
			return errDeflate
		}
		for range n {
			all[i] = value
			i++
		}
	}
	return nil
}

// broken is why a code cannot be taken: there is none, or too little is left.
func (f *inflater) broken(row uint32) error {
	if row != 0 || f.held < 15 {
		return io.ErrUnexpectedEOF
	}
	return errDeflate
}

// symbol takes one literal, match or end, at any place.
func (f *inflater) symbol() error {
	f.fill()
	row := f.lit.find(f.hold)
	if row == 0 || row&0xff > uint32(f.held) {
		return f.broken(row)
	}
	if row&isLiteral != 0 {
		f.drop(uint(row & 0xff))
		f.out[f.have] = byte(row >> 16)
		f.have++
		return nil
	}
	if row&isEnd != 0 {
		f.drop(uint(row & 0xff))
		f.block = noBlock
		return nil
	}
	size := f.value(row)
	f.fill()
	row = f.dist.find(f.hold)
	if row == 0 || row&0xff > uint32(f.held) {
		return f.broken(row)
	}
	back := f.value(row)
	if back > f.have {
		return errDeflate
	}
	for range min(size, len(f.out)-f.have) {
		f.out[f.have] = f.out[f.have-back]
		f.have++
	}
	return nil
}

// value takes a code and the bits behind it, and is what they stand for.
func (f *inflater) value(row uint32) int {
	own, all := uint(row>>8&0x1f), uint(row&0xff)
	v := int(row>>16) + int(f.hold&(1<<all-1)>>own)
	f.drop(all)
	return v
}

const (
	longestMatch = 258
	copyRoom     = 16 // how far a copy may write behind its end
)

// fast takes symbols until n bytes are there, or an end is too near: of the input,
// of the output or the block's.
func (f *inflater) fast(n int) {
	in, out := f.in, f.out
	pos, have, hold, held := f.pos, f.have, f.hold, f.held
	more, far := f.lit.rows, f.dist.rows
	lit, dist := (*[1 << literalBits]uint32)(more), (*[1 << distanceBits]uint32)(far)
	stop := min(n, len(out)-longestMatch-copyRoom-3)
	for have < stop && pos+16 <= len(in) {
		hold |= binary.LittleEndian.Uint64(in[pos:]) << (held & 63)
		pos += int((63 - held) >> 3)
		held |= 56
		row := lit[hold&(1<<literalBits-1)]
		if row&isLiteral != 0 {
			three := out[have : have+3 : have+3]
			hold, held = hold>>(row&63), held-uint(row&63)
			three[0] = byte(row >> 16)
			have++
			row = lit[hold&(1<<literalBits-1)]
			if row&isLiteral != 0 {
				hold, held = hold>>(row&63), held-uint(row&63)
				three[1] = byte(row >> 16)
				have++
				row = lit[hold&(1<<literalBits-1)]
				if row&isLiteral != 0 {
					hold, held = hold>>(row&63), held-uint(row&63)
					three[2] = byte(row >> 16)
					have++
					continue
				}
			}
			hold |= binary.LittleEndian.Uint64(in[pos:]) << (held & 63)
			pos += int((63 - held) >> 3)
			held |= 56
		}
		if row&(isLink|isEnd) != 0 || row == 0 {
			if row&isLink == 0 {
				break // symbol sees to it
			}
			row = more[row>>16+uint32(hold>>literalBits)&(1<<(maxCode-literalBits)-1)]
			if row&isLiteral != 0 {
				hold, held = hold>>(row&63), held-uint(row&63)
				out[have] = byte(row >> 16)
				have++
				continue
			}
			if row == 0 || row&isEnd != 0 {
				break
			}
		}
		all := row & 63
		size := int(row>>16) + int(hold&(1<<all-1)>>(row>>8&31))
		rest := hold >> all
		row = dist[rest&(1<<distanceBits-1)]
		if row&isLink != 0 {
			row = far[row>>16+uint32(rest>>distanceBits)&(1<<(maxCode-distanceBits)-1)]
		}
		own := row & 63
		back := int(row>>16) + int(rest&(1<<own-1)>>(row>>8&31))
		if row == 0 || back > have {
			break
		}
		hold, held = rest>>own, held-uint(all+own)
		copyMatch(out, have, back, size)
		have += size
	}
	f.pos, f.have, f.hold, f.held = pos, have, hold&(1<<held-1), held
}

// copyMatch repeats at have what is there so far before it. It may write copyRoom bytes
// more than size.
func copyMatch(out []byte, have, back, size int) {
	from := have - back
	if back < 8 {
		to := out[have : have+size]
		for i := range to {
			to[i] = out[from+i]
		}
		return
	}
	for end := have + size; have < end; have, from = have+16, from+16 {
		to, by := out[have:have+16], out[from:from+16]
		binary.LittleEndian.PutUint64(to, binary.LittleEndian.Uint64(by))
		binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(by[8:]))
	}
}
