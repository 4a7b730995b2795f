package orc

import (
	"context"
	"encoding/binary"
	"sort"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Tables says where the tables of a kernel lie in its memory, in the order of addresses,
// as they are once it has started (arch/x86/kernel/unwind_orc.c).
type Tables struct {
	IP, IPEnd         arch.Addr // what Sections has as IP
	Unwind, UnwindEnd arch.Addr // and as Unwind
	Lookup, LookupEnd arch.Addr // orc_lookup: for each blockSize bytes of code the entry that it begins in, 4 bytes
	Text              arch.Addr // where the first block begins
	Header            []byte    // .orc_header, nil: none
	Banner            string    // the kernel's, which tells the layout where there is no header
}

// maxTables bounds each of them, bytes.
const maxTables = 32 << 20

// lookupSize is the size of an entry of Lookup, bytes.
const lookupSize = 4

// blockSize is LOOKUP_BLOCK_SIZE (arch/x86/include/asm/orc_lookup.h).
const blockSize = 256

// maxBlock bounds the entries of a block: one begins at a byte, or several where sections meet.
const maxBlock = 4 * blockSize

// Remote computes callers from the tables in the debuggee's memory, of which it reads what
// a frame takes: three small pieces. It is safe for many goroutines.
type Remote struct {
	t      Tables
	count  uint64 // entries of IP and Unwind
	blocks uint64 // of Lookup
	layout *layout
}

var _ symbols.Unwinder = (*Remote)(nil)

// NewRemote returns a Remote over t, nil when there are no tables of a known layout.
func NewRemote(t Tables) *Remote {
	if t.IP == 0 || t.IPEnd <= t.IP || t.IPEnd-t.IP > maxTables || t.LookupEnd < t.Lookup || t.LookupEnd-t.Lookup > maxTables {
		return nil
	}
	r := &Remote{t: t, count: uint64(t.IPEnd-t.IP) / ipSize, blocks: uint64(t.LookupEnd-t.Lookup) / lookupSize}
	r.layout = layoutOf(Sections{Header: Section{Data: t.Header}, ReadOnly: Section{Data: []byte(t.Banner)}})
	if r.count == 0 || r.blocks < 2 || uint64(t.UnwindEnd-t.Unwind) != r.count*entrySize || r.layout == nil {
		return nil
	}
	return r
}

// Unwind implements symbols.Unwinder.
func (r *Remote) Unwind(ctx context.Context, _ arch.Addr, callee *arch.Registers, mem symbols.Memory) (*arch.Registers, arch.Addr, error) {
	e, err := r.find(ctx, callee.LookupPC(), mem)
	if err != nil {
		return nil, 0, err
	}
	return unwind(ctx, e, callee, mem)
}

// find returns the rule at pc.
func (r *Remote) find(ctx context.Context, pc arch.Addr, mem symbols.Memory) (entry, error) {
	le := binary.LittleEndian
	first, last, err := r.among(ctx, pc, mem)
	if err != nil {
		return entry{}, err
	}
	at := r.t.IP + arch.Addr(ipSize*first)
	starts := make([]byte, ipSize*(last-first+1))
	if err := readAll(ctx, mem, at, starts); err != nil {
		return entry{}, err
	}
	start := func(i int) arch.Addr {
		return at + arch.Addr(ipSize*i) + arch.Addr(int64(int32(le.Uint32(starts[ipSize*i:]))))
	}
	i := sort.Search(len(starts)/ipSize, func(i int) bool { return start(i) > pc })
	if i == 0 {
		return entry{}, symbols.ErrNoUnwind
	}
	var p [entrySize]byte
	if err := readAll(ctx, mem, r.t.Unwind+arch.Addr(entrySize*(first+uint64(i)-1)), p[:]); err != nil {
		return entry{}, err
	}
	return r.layout.decode(int16(le.Uint16(p[:])), int16(le.Uint16(p[2:])), le.Uint16(p[4:])), nil
}

// among tells the entries that pc may belong to, both inclusive: by the lookup table, and by
// bisection in code that it does not cover, which is the kernel's start.
func (r *Remote) among(ctx context.Context, pc arch.Addr, mem symbols.Memory) (first, last uint64, err error) {
	le := binary.LittleEndian
	if pc < r.t.Text {
		return 0, 0, symbols.ErrNoUnwind
	}
	if block := uint64(pc-r.t.Text) / blockSize; block+1 < r.blocks {
		var ends [2 * lookupSize]byte
		err = readAll(ctx, mem, r.t.Lookup+arch.Addr(lookupSize*block), ends[:])
		first, last = uint64(le.Uint32(ends[:])), uint64(le.Uint32(ends[lookupSize:]))
		empty := block > 0 && last == 0 // zeros, before the kernel has made it
		if err == nil && (empty || last < first || last >= r.count || last-first > maxBlock) {
			err = symbols.ErrNoUnwind
		}
		return first, last, err
	}
	for last = r.count - 1; last-first > fewEntries; {
		mid := (first + last) / 2
		at := r.t.IP + arch.Addr(ipSize*mid)
		var p [ipSize]byte
		if err := readAll(ctx, mem, at, p[:]); err != nil {
			return 0, 0, err
		}
		if at+arch.Addr(int64(int32(le.Uint32(p[:])))) <= pc {
			first = mid
		} else {
			last = mid
		}
	}
	return first, last, nil
}

// fewEntries are read at once where entries are looked for by bisection.
const fewEntries = 32

// readAll fills p.
func readAll(ctx context.Context, mem symbols.Memory, a arch.Addr, p []byte) error {
	n, err := mem.ReadMemory(ctx, a, p)
	if err == nil && n < len(p) {
		err = &symbols.UnavailableError{Reason: "the kernel's unwind tables cannot be read"}
	}
	return err
}
