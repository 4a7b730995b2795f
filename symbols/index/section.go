package index

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"runtime"

	"dap-windbg/binfmt/mmap"
)

// A file of a section, little-endian:
//
//	0   sectionMagic
//	8   sectionVersion, 4 bytes of zero
//	16  how long the whole section is, decompressed
//	24  how much of its beginning is there
//	32  a CRC-32C for each block of that; of the header, these sums among it, before them
//
// Behind that, from the next multiple of sectionAlign on, lies the section. What of it
// is not there is a hole in the file.
const (
	sectionSuffix  = ".dws"
	sectionMagic   = "dws\x1a\r\n\x00\xff"
	sectionVersion = 1
	sectionSums    = 36
	sectionAlign   = 4096
)

// maxSection bounds the sections that are kept, bytes: those of programs of that size
// are read in a few places that lie far apart.
const maxSection = 64 << 20

// Section is the beginning of a section, as an earlier run has decompressed it. It is
// for one goroutine at a time.
type Section struct {
	file  *mmap.File
	guard mmap.Guard
	data  []byte
	have  int
	sums  []byte
	sound int // blocks that were compared with their sums
}

// Section returns what was kept of a section that is size bytes long; nil when
// nothing was, or what was is damaged.
func (k *Kept) Section(name string, size uint64) *Section {
	if k == nil || size > maxSection {
		return nil
	}
	path := k.named(name + sectionSuffix)
	m, err := mmap.Open(path)
	if err != nil {
		return nil
	}
	s, ok := &Section{file: m}, false
	if !s.guard.Do(func() { ok = s.open(size) }) || !ok {
		_ = os.Remove(path)
		return nil
	}
	used(path)
	return s
}

func (s *Section) open(size uint64) bool {
	le, d := binary.LittleEndian, s.file.Data
	if len(d) < sectionSums || string(d[:8]) != sectionMagic || le.Uint32(d[8:]) != sectionVersion || le.Uint64(d[16:]) != size || le.Uint64(d[24:]) > size {
		return false
	}
	s.have = int(le.Uint64(d[24:]))
	sums, at := sectionHead(s.have)
	if uint64(len(d)) != uint64(at)+size {
		return false
	}
	s.sums, s.data = d[sectionSums:sectionSums+sums], d[at:]
	return le.Uint32(d[sectionSums-4:]) == headSum(d[:sectionSums-4], s.sums)
}

// sectionHead is how long the sums of n bytes are, and where the section begins.
func sectionHead(n int) (sums, at int) {
	sums = (n + blockSize - 1) >> blockShift * 4
	return sums, (sectionSums + sums + sectionAlign - 1) &^ (sectionAlign - 1)
}

func headSum(head, sums []byte) uint32 {
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, sums)
}

// Data is the section, as long as the whole. It is there as long as the Section is reachable.
func (s *Section) Data() []byte { return s.data }

// UpTo reports whether the first n bytes are there and sound.
func (s *Section) UpTo(n int) bool {
	if n > s.have || s.sound<<blockShift >= n {
		return n <= s.have
	}
	sound := false
	return s.guard.Do(func() { sound = s.compare(n) }) && sound
}

// compare compares the blocks of the first n bytes with their sums.
func (s *Section) compare(n int) bool {
	for ; s.sound<<blockShift < n; s.sound++ {
		lo := s.sound << blockShift
		if crc32.Checksum(s.data[lo:min(lo+blockSize, s.have)], castagnoli) != binary.LittleEndian.Uint32(s.sums[4*s.sound:]) {
			return false
		}
	}
	return true
}

// Beginning is a copy of the first n bytes, nil when they are not there and sound; a nil
// Section has none. Unlike Data it needs nobody who holds the Section.
func (s *Section) Beginning(n int) []byte {
	defer runtime.KeepAlive(s)
	if s == nil || n < 0 || !s.UpTo(n) {
		return nil
	}
	out := make([]byte, n)
	if !s.guard.Do(func() { copy(out, s.data) }) {
		return nil
	}
	return out
}

// KeepSection writes the beginning of a section that is size bytes long. It does not
// make the cache's folder: that may have been taken away since.
func (k *Kept) KeepSection(name string, size uint64, beginning []byte) error {
	if k == nil || size > maxSection {
		return nil
	}
	if _, err := os.Stat(k.cache.Dir); err != nil {
		return err
	}
	le := binary.LittleEndian
	n, at := sectionHead(len(beginning))
	head := make([]byte, at)
	copy(head, sectionMagic)
	le.PutUint32(head[8:], sectionVersion)
	le.PutUint64(head[16:], size)
	le.PutUint64(head[24:], uint64(len(beginning)))
	sums := head[sectionSums : sectionSums+n]
	for lo := 0; lo < len(beginning); lo += blockSize {
		le.PutUint32(sums[lo>>blockShift*4:], crc32.Checksum(beginning[lo:min(lo+blockSize, len(beginning))], castagnoli))
	}
	le.PutUint32(head[sectionSums-4:], headSum(head[:sectionSums-4], sums))
	return k.cache.write(k.named(name+sectionSuffix), int64(at)+int64(size), head, beginning)
}
