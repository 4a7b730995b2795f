package pdb

import (
	"encoding/binary"
	"iter"
	"math/bits"
)

// gsi is a hash table over the symbol records: of globals or of publics.
type gsi struct {
	hashes  []byte // 8 bytes each: offset of a record + 1, count of references
	present []byte // which buckets are not empty
	buckets []byte // where those begin, as 12 times a number of a hash
	byAddr  []byte // publics: offsets of records in the order of addresses
}

const (
	gsiSignature  = 0xffffffff
	gsiVersion    = 0xf12f091a
	gsiBuckets    = 4096
	gsiBitmap     = (gsiBuckets/32 + 1) * 4
	publicsHeader = 28
)

// readGSI reads the table in a stream, behind a header of the publics' own.
func readGSI(c *container, number uint16, publics bool) (*gsi, error) {
	s, err := c.stream(number)
	if err != nil {
		return nil, err
	}
	f := &fields{b: s.all()}
	g := &gsi{}
	var head []byte
	if publics {
		head = f.take(publicsHeader)
	}
	if sig, version := f.u32(), f.u32(); sig != gsiSignature || version != gsiVersion {
		return g, nil // empty, or of an older form
	}
	hashes, buckets := f.u32(), f.u32()
	g.hashes = f.take(int(hashes))
	if b := f.take(int(buckets)); len(b) >= gsiBitmap {
		g.present, g.buckets = b[:gsiBitmap], b[gsiBitmap:]
	}
	if publics {
		g.byAddr = f.take(int(binary.LittleEndian.Uint32(head[4:])))
	}
	return g, nil
}

// hash is that of the tables of names; letters' case does not count (hashStringV1).
func hash(name string) uint32 {
	h := uint32(0)
	b := []byte(name)
	for ; len(b) >= 4; b = b[4:] {
		h ^= binary.LittleEndian.Uint32(b)
	}
	if len(b) >= 2 {
		h ^= uint32(binary.LittleEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		h ^= uint32(b[0])
	}
	h |= 0x20202020
	h ^= h >> 11
	return h ^ h>>16
}

// find yields the offsets of records whose names have the hash of name.
func (g *gsi) find(name string) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		bucket := hash(name) % gsiBuckets
		if len(g.present) == 0 || g.present[bucket/8]>>(bucket%8)&1 == 0 {
			return
		}
		rank := 0
		for _, b := range g.present[:bucket/8] {
			rank += bits.OnesCount8(b)
		}
		rank += bits.OnesCount8(g.present[bucket/8] & (1<<(bucket%8) - 1))
		if 4*rank+4 > len(g.buckets) {
			return
		}
		first := int(binary.LittleEndian.Uint32(g.buckets[4*rank:]) / 12)
		last := len(g.hashes) / 8
		if 4*rank+8 <= len(g.buckets) {
			last = min(last, int(binary.LittleEndian.Uint32(g.buckets[4*rank+4:])/12))
		}
		for i := first; i < last; i++ {
			if !yield(binary.LittleEndian.Uint32(g.hashes[8*i:]) - 1) {
				return
			}
		}
	}
}
