package core

import (
	"bufio"
	"encoding/binary"
	"io"
	"sort"
	"strconv"
	"strings"

	"dap-windbg/arch"
)

// Region is a piece of a process's address space with one protection.
type Region struct {
	Start, End        arch.Addr
	Read, Write, Exec bool
	Shared            bool
	Path              string // of the file, or a name in brackets, "" anonymous
	Offset            uint64 // in the file, bytes
	Deleted           bool   // the file is gone

	// What /proc/PID/smaps adds.
	Detailed bool
	Changed  bool // of a private mapping: pages are not the file's any more
	Empty    bool // no page was ever touched: anonymous memory is all zero
	Hidden   bool // a device, or not to be dumped: VmFlags has io or dd

	// Keep lists what goes into a core, by address. Choose sets it.
	Keep []Range
	// Zeros lists what nobody has touched, by address. FindZeros sets it.
	Zeros []Range
}

// Range is [Lo, Hi).
type Range struct{ Lo, Hi arch.Addr }

// Size is in bytes.
func (r *Region) Size() uint64 { return uint64(r.End - r.Start) }

// file reports whether a file that can be opened backs r.
func (r *Region) file() bool { return strings.HasPrefix(r.Path, "/") && !r.Deleted }

// anonymous reports whether untouched pages of r are zeros.
func (r *Region) anonymous() bool {
	return !r.Shared && !strings.HasPrefix(r.Path, "/") && r.Path != "[vdso]"
}

// zeros is where the zeros end in which addr lies; addr where it does not.
func (r *Region) zeros(addr arch.Addr) arch.Addr {
	if r.Empty && r.anonymous() {
		return r.End
	}
	i := sort.Search(len(r.Zeros), func(i int) bool { return r.Zeros[i].Hi > addr })
	if i < len(r.Zeros) && r.Zeros[i].Lo <= addr {
		return r.Zeros[i].Hi
	}
	return addr
}

// nextZeros is where the next zeros behind addr begin, the end of r when none do.
func (r *Region) nextZeros(addr arch.Addr) arch.Addr {
	i := sort.Search(len(r.Zeros), func(i int) bool { return r.Zeros[i].Lo > addr })
	if i < len(r.Zeros) {
		return r.Zeros[i].Lo
	}
	return r.End
}

// A page's row of /proc/PID/pagemap: 64 bits, of which these say that the page is
// there (Linux Documentation/admin-guide/mm/pagemap.rst).
const (
	pagePresent, pageSwapped = 1 << 63, 1 << 62
	pagemapRow               = 8
	zeroRun                  = 16 // pages; fewer are read rather than told apart
)

// FindZeros finds out which anonymous memory was never touched, so that Write need
// not read it. pagemap is /proc/PID/pagemap.
func (p *Process) FindZeros(pagemap io.ReaderAt) error {
	page := uint64(pageSize)
	if len(p.Threads) > 0 {
		if n := auxiliary(p.Auxv, p.Threads[0].Registers.Set.Arch.PtrSize, auxPageSize); n > page && n&(n-1) == 0 && n <= 1<<20 {
			page = n
		}
	}
	const rows = 1 << 16
	buf := make([]byte, rows*pagemapRow)
	for i := range p.Regions {
		r := &p.Regions[i]
		if len(r.Keep) == 0 || r.Empty || !r.anonymous() || r.Size() < zeroRun*page {
			continue
		}
		run := r.Start
		for at := r.Start; at < r.End; {
			n := min(rows, uint64(r.End-at)/page)
			if n == 0 {
				break
			}
			got, err := pagemap.ReadAt(buf[:n*pagemapRow], int64(uint64(at)/page*pagemapRow))
			if got/pagemapRow == 0 {
				return err
			}
			for k := range got / pagemapRow {
				if binary.LittleEndian.Uint64(buf[k*pagemapRow:])&(pagePresent|pageSwapped) != 0 {
					r.addZeros(run, at, page)
					run = at + arch.Addr(page)
				}
				at += arch.Addr(page)
			}
		}
		r.addZeros(run, r.End, page)
	}
	return nil
}

func (r *Region) addZeros(lo, hi arch.Addr, page uint64) {
	if hi > lo && uint64(hi-lo) >= zeroRun*page {
		r.Zeros = append(r.Zeros, Range{lo, hi})
	}
}

// maxRegions bounds a memory map; Linux's own limit is 65,530 (vm.max_map_count).
const maxRegions = 1 << 17

// ParseMaps reads the text of /proc/PID/maps or /proc/PID/smaps (proc(5)). Lines
// that are not understood are skipped.
func ParseMaps(text io.Reader) ([]Region, error) {
	var out []Region
	s := bufio.NewScanner(text)
	s.Buffer(nil, 1<<20)
	for s.Scan() && len(out) < maxRegions {
		if r, ok := parseRegion(s.Text()); ok {
			out = append(out, r)
		} else if n := len(out); n > 0 {
			out[n-1].detail(s.Text())
		}
	}
	return out, s.Err()
}

// parseRegion reads "start-end perms offset device inode path".
func parseRegion(line string) (Region, bool) {
	f := strings.Fields(line)
	if len(f) < 5 || len(f[1]) < 4 {
		return Region{}, false
	}
	lo, hi, ok := strings.Cut(f[0], "-")
	start, err1 := strconv.ParseUint(lo, 16, 64)
	end, err2 := strconv.ParseUint(hi, 16, 64)
	offset, err3 := strconv.ParseUint(f[2], 16, 64)
	if !ok || err1 != nil || err2 != nil || err3 != nil || end <= start {
		return Region{}, false
	}
	r := Region{Start: arch.Addr(start), End: arch.Addr(end), Offset: offset,
		Read: f[1][0] == 'r', Write: f[1][1] == 'w', Exec: f[1][2] == 'x', Shared: f[1][3] == 's'}
	if len(f) > 5 {
		_, r.Path, _ = strings.Cut(line, f[4]) // the inode; a path may hold blanks
		if i := strings.Index(line, f[5]); i >= 0 && (f[5][0] == '/' || f[5][0] == '[') {
			r.Path = line[i:]
		}
		r.Path, r.Deleted = strings.CutSuffix(strings.TrimSpace(r.Path), " (deleted)")
	}
	return r, true
}

// detail reads a line of smaps about r.
func (r *Region) detail(line string) {
	key, value, ok := strings.Cut(line, ":")
	f := strings.Fields(value)
	if !ok || len(f) == 0 {
		return
	}
	some := f[0] != "0"
	switch key {
	case "Rss":
		r.Detailed, r.Empty = true, !some
	case "Anonymous", "Private_Dirty":
		r.Changed = r.Changed || some
	case "Swap":
		r.Changed, r.Empty = r.Changed || some, r.Empty && !some
	case "VmFlags":
		for _, flag := range f {
			r.Hidden = r.Hidden || flag == "io" || flag == "dd"
		}
	}
}
