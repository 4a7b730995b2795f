package pdb

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Identity is what an image names its program database by.
type Identity struct {
	GUID [16]byte // as in the file
	Age  uint32   // that of the DBI stream, which tools compare; 0 when there is none
}

// String is the identity as symbol servers spell it: the GUID and the age.
func (i Identity) String() string {
	g := i.GUID[:]
	return fmt.Sprintf("%08X%04X%04X%X%X", binary.LittleEndian.Uint32(g), binary.LittleEndian.Uint16(g[4:]), binary.LittleEndian.Uint16(g[6:]), g[8:], i.Age)
}

// Features at the end of stream 1.
const (
	featureMinimal = 0x494e494d // symbols are in the object files
	featureVC140   = 20140508
)

// info is stream 1.
type info struct {
	signature, age uint32
	guid           [16]byte
	named          map[string]uint16
	minimal        bool
}

// Fixed stream numbers.
const (
	streamInfo = 1
	streamTPI  = 2
	streamDBI  = 3
	streamIPI  = 4
)

func readInfo(c *container) (*info, error) {
	s, err := c.stream(streamInfo)
	if err != nil {
		return nil, err
	}
	b := s.all()
	if len(b) < 28 {
		return nil, &FormatError{Part: "information stream", Reason: "cut short"}
	}
	f := &fields{b: b}
	in := &info{named: map[string]uint16{}}
	f.u32() // version
	in.signature, in.age = f.u32(), f.u32()
	copy(in.guid[:], f.take(16))
	names := f.take(int(min(f.u32(), 1<<30)))
	f.u32()          // size of the map
	slots := f.u32() // its capacity
	words := f.u32() // bits of slots in use
	present := f.take(int(min(words, 1<<24)) * 4)
	f.take(int(min(f.u32(), 1<<24)) * 4)
	for i := range min(slots, uint32(len(present))*8) {
		if present[i/8]>>(i%8)&1 == 0 {
			continue
		}
		at, number := f.u32(), f.u32()
		if uint64(at) < uint64(len(names)) && number < noStream {
			name, _, _ := strings.Cut(string(names[at:]), "\x00")
			in.named[name] = uint16(number)
		}
	}
	f.u32() // the next name's index
	for len(f.b) >= 4 {
		in.minimal = in.minimal || f.u32() == featureMinimal
	}
	return in, nil
}

// texts is the string table of the file ("/names").
type texts struct{ b []byte }

const namesMagic = 0xeffeeffe

func readTexts(c *container, in *info) texts {
	number, ok := in.named["/names"]
	if !ok {
		return texts{}
	}
	s, err := c.stream(number)
	if err != nil {
		return texts{}
	}
	head, ok := s.view(0, 12)
	if !ok || binary.LittleEndian.Uint32(head) != namesMagic {
		return texts{}
	}
	b, _ := s.view(12, min(binary.LittleEndian.Uint32(head[8:]), s.size-12))
	return texts{b}
}

// at is the text at an offset, "" when there is none.
func (t texts) at(off uint32) string { return textAt(t.b, off) }

func textAt(b []byte, off uint32) string {
	if uint64(off) >= uint64(len(b)) {
		return ""
	}
	f := fields{b: b[off:]}
	return f.name()
}
