package fake

import (
	"fmt"

	"dap-windbg/arch"
	"dap-windbg/targets"
)

// Region is mapped memory.
type Region struct {
	Addr     arch.Addr
	Data     []byte
	ReadOnly bool // for the program; the debugger writes anywhere
}

type memory struct {
	regions []Region
	watched func(at uint64, n int, write bool) // the program touched memory; may be nil
}

// faultAt is the program's fault.
type faultAt struct{ addr uint64 }

func (f faultAt) Error() string { return fmt.Sprintf("fault at 0x%x", f.addr) }

func (m *memory) find(at uint64) (*Region, uint64) {
	for i := range m.regions {
		r := &m.regions[i]
		if off := at - uint64(r.Addr); at >= uint64(r.Addr) && off < uint64(len(r.Data)) {
			return r, off
		}
	}
	return nil, 0
}

// read and write are the debugger's: they go as far as memory is mapped.
func (m *memory) read(at uint64, p []byte) (int, error) {
	return m.copy(at, p, false, func(data, p []byte) int { return copy(p, data) })
}

func (m *memory) write(at uint64, p []byte) (int, error) {
	return m.copy(at, p, true, func(data, p []byte) int { return copy(data, p) })
}

func (m *memory) copy(at uint64, p []byte, write bool, move func(data, p []byte) int) (int, error) {
	n := 0
	for n < len(p) {
		r, off := m.find(at + uint64(n))
		if r == nil {
			return n, &targets.FaultError{Addr: arch.Addr(at + uint64(n)), Write: write}
		}
		n += move(r.Data[off:], p[n:])
	}
	return n, nil
}

// load and store are the program's.
func (m *memory) load(at uint64, p []byte) error {
	if n, err := m.read(at, p); err != nil {
		return faultAt{at + uint64(n)}
	}
	if m.watched != nil {
		m.watched(at, len(p), false)
	}
	return nil
}

func (m *memory) store(at uint64, p []byte) error {
	for i := range p {
		if r, _ := m.find(at + uint64(i)); r == nil || r.ReadOnly {
			return faultAt{at + uint64(i)}
		}
	}
	m.write(at, p)
	if m.watched != nil {
		m.watched(at, len(p), true)
	}
	return nil
}
