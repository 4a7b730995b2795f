package linuxkernel

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// This file finds the kernel in memory. It reads past the stop's cache, for it reads
// much and never again.

// Where x86-64 kernels may lie (Documentation/arch/x86/x86_64/mm.rst), and the grain of
// that (CONFIG_PHYSICAL_ALIGN is at least 2 MiB on 64 bits).
const (
	lowest  = arch.Addr(0xffffffff80000000)
	highest = arch.Addr(0xffffffffc0000000)
	grain   = arch.Addr(2 << 20)
)

// finder is one attempt to find the kernel.
type finder struct {
	ctx  context.Context
	t    targets.Target
	s    *System
	lost error // of the wire; what fails on the way to memory is an answer
	last error // of the latest read

	entered bool // the CPU's interrupt table is a kernel's, wherever that lies

	looked bool // for root
	root   uint64
	tables *arch.Paging
}

// find looks for the kernel: where the CPU's interrupt table leads, else by a scan, else
// by its vmcoreinfo; an image of Options.Images counts when the build-id in memory is its own.
func (s *System) find(ctx context.Context, w systems.World) (*Kernel, error) {
	f := &finder{ctx: ctx, t: w.Target(), s: s}
	if set := f.t.Info().Set; set == nil || set.Arch != arch.AMD64 {
		return nil, fmt.Errorf("finding a kernel on this CPU: %w", errors.ErrUnsupported)
	}
	if !f.paging() {
		return nil, ErrNoKernel
	}
	k := f.kernel()
	if k == nil && f.entered {
		k = f.byCoreInfo()
	}
	if f.lost != nil {
		return nil, f.lost
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if k == nil {
		return nil, ErrNoKernel
	}
	return k, nil
}

// paging reports whether the first CPU has paging on, as far as it tells (CR0 bit 31).
func (f *finder) paging() bool {
	threads, err := f.t.Threads(f.ctx)
	if err != nil || len(threads) == 0 {
		f.note(err)
		return true
	}
	regs, err := f.t.Registers(f.ctx, threads[0].ID)
	if err != nil {
		f.note(err)
		return true
	}
	cr0, told := regs.Get("cr0")
	return !told || cr0>>31&1 == 1
}

func (f *finder) note(err error) {
	if err != nil && errors.Is(err, targets.ErrGone) && f.lost == nil {
		f.lost = err
	}
}

// read reads memory as the CPU sees it and returns how much could be read.
func (f *finder) read(a arch.Addr, p []byte) int {
	if f.lost != nil || f.ctx.Err() != nil {
		return 0
	}
	n, err := f.t.ReadMemory(f.ctx, targets.Space{}, a, p)
	f.last = err
	f.note(err)
	if err == nil {
		return len(p)
	}
	n = max(0, min(n, len(p)))
	return n + f.reveal(a+arch.Addr(n), p[n:])
}

func (f *finder) mapped(a arch.Addr) bool { return f.read(a, make([]byte, 16)) == 16 }

// handler is where the CPU goes for a division by zero (Intel SDM volume 3, 7.14.1);
// 0 when its interrupt table cannot be had.
func (f *finder) handler() arch.Addr {
	q, ok := f.t.(targets.Queryer)
	if !ok {
		return 0
	}
	raw, err := q.Query(f.ctx, targets.SystemRegister, "idtr")
	if f.note(err); err != nil || len(raw) < 8 {
		return 0
	}
	table := arch.Addr(binary.LittleEndian.Uint64(raw))
	f.entered = int64(table) < 0
	var gate [16]byte
	if f.read(table, gate[:]) < len(gate) {
		return 0
	}
	le := binary.LittleEndian
	at := arch.Addr(le.Uint16(gate[:])) | arch.Addr(le.Uint16(gate[6:]))<<16 | arch.Addr(le.Uint32(gate[8:]))<<32
	if at < lowest || at >= highest {
		return 0
	}
	return at
}

func (f *finder) kernel() *Kernel {
	at := f.handler()
	if at != 0 {
		for _, img := range f.images("") {
			link, ok := linked(img, "asm_exc_divide_error", "divide_error")
			if k := f.check(img, uint64(at)-link, "its interrupt table"); ok && k != nil {
				return k
			}
		}
	}
	base, how := f.base(at), "a scan"
	if base == 0 {
		return nil
	}
	for _, img := range f.images("") {
		if link, ok := linked(img, "_text"); ok {
			if k := f.check(img, uint64(base)-link, how); k != nil {
				return k
			}
		}
	}
	return f.survey(base)
}

func (f *finder) images(release string) []symbols.Image {
	if f.s.o.Images == nil {
		return nil
	}
	return f.s.o.Images(release)
}

// linked is the address that an image gives to the first of names that it has.
func linked(img symbols.Image, names ...string) (uint64, bool) {
	for _, name := range names {
		for s := range img.Lookup(name) {
			if s.Name == name {
				return img.LinkBase() + uint64(s.Offset), true
			}
		}
	}
	return 0, false
}

// check looks whether img lies moved by slide: the build-id there is its own.
func (f *finder) check(img symbols.Image, slide uint64, how string) *Kernel {
	notes, ok := linked(img, "__start_notes")
	end, ok2 := linked(img, "__stop_notes")
	if !ok || !ok2 || end <= notes || end-notes > 64<<10 || arch.Addr(slide)%grain != 0 {
		return nil
	}
	p := make([]byte, end-notes)
	if f.read(arch.Addr(notes+slide), p) < len(p) {
		return nil
	}
	k := &Kernel{How: how}
	k.setBuildID(p, arch.Addr(notes+slide))
	if k.BuildID == nil || !bytes.Equal(k.BuildID, img.Key().BuildID) {
		return nil
	}
	f.adopt(k, img, slide)
	return k
}

// maxBanner bounds what /proc/version says.
const maxBanner = 512

func (f *finder) text(a arch.Addr, limit int) string {
	p := make([]byte, limit)
	p = p[:f.read(a, p)]
	if end := bytes.IndexByte(p, 0); end >= 0 {
		p = p[:end]
	}
	return string(p)
}

const bannerMark = "Linux version "

func (k *Kernel) setBanner(s string) {
	if rest, ok := strings.CutPrefix(s, bannerMark); ok {
		k.Banner = strings.TrimSpace(s)
		k.Release, _, _ = strings.Cut(rest, " ")
	}
}

// setBuildID takes it from notes, which lie at from.
func (k *Kernel) setBuildID(notes []byte, from arch.Addr) {
	if k.BuildID = buildID(notes); k.BuildID != nil {
		k.buildIDAt = from + arch.Addr(bytes.Index(notes, k.BuildID))
	}
}

// buildID finds the NT_GNU_BUILD_ID note among notes: sizes of name and contents, the
// type 3, the name "GNU" (elf(5), "Notes").
func buildID(notes []byte) []byte {
	le := binary.LittleEndian
	for mark := []byte("\x03\x00\x00\x00GNU\x00"); ; {
		i := bytes.Index(notes, mark)
		if i < 0 {
			return nil
		}
		if i >= 8 && le.Uint32(notes[i-8:]) == 4 {
			n := int(le.Uint32(notes[i-4:]))
			if rest := notes[i+len(mark):]; n >= 8 && n <= 64 && n <= len(rest) {
				return bytes.Clone(rest[:n])
			}
		}
		notes = notes[i+len(mark):]
	}
}

// base is where _text lies: below code of the kernel, else the lowest place that is
// mapped in the kernel's region. 0: nowhere.
func (f *finder) base(inside arch.Addr) arch.Addr {
	if inside != 0 {
		at := inside &^ (grain - 1)
		for at > lowest && f.mapped(at-grain) {
			at -= grain
		}
		if f.mapped(at) {
			return at
		}
	}
	for at := lowest; at < highest && f.lost == nil && f.ctx.Err() == nil; at += grain {
		if f.mapped(at) {
			return at
		}
	}
	return 0
}

const (
	surveyPiece = 64 << 10
	maxSurvey   = 24 << 20 // bytes of read-only data that are looked through
	slowLine    = 1 << 20  // bytes a second below which that takes too long
)

// survey finds out what kernel lies at base without its vmlinux: its banner, its
// build-id and its table of symbols lie in its read-only data.
func (f *finder) survey(base arch.Addr) *Kernel {
	k := &Kernel{Base: base, How: "a scan"}
	if f.kdb() {
		if f.ask(k); f.matched(k) {
			return k
		}
		k.slow = k.Banner != "" || k.BuildID != nil // looking for them is not needed then
	}
	if rate := f.t.Info().Limits.BytesPerSec; k.slow || rate > 0 && rate < slowLine {
		k.slow = true
		f.s.recall(k)
		return k
	}
	table := f.lookThrough(k)
	if k.Banner == "" && k.BuildID == nil {
		return nil // something else is mapped there
	}
	if f.matched(k) {
		return k
	}
	if table != nil {
		at, _ := table.address("linux_banner")
		k.bannerAt = arch.Addr(at)
		k.setBanner(f.text(k.bannerAt, maxBanner)) // what was found first may be another text
		k.table = table
		if end, ok := table.address("_end"); ok && end > uint64(base) {
			k.Size = end - uint64(base)
		}
	}
	return k
}

// ask has the kernel's own debugger say where its banner and its notes lie.
func (f *finder) ask(k *Kernel) {
	if at := f.where("linux_banner"); at != 0 {
		k.bannerAt = at
		k.setBanner(f.text(at, maxBanner))
	}
	if from, to := f.where("__start_notes"), f.where("__stop_notes"); from != 0 && to > from && to-from <= 64<<10 {
		p := make([]byte, to-from)
		k.setBuildID(p[:f.read(from, p)], from)
	}
	if end := f.where("_end"); end > k.Base {
		k.Size = uint64(end - k.Base)
	}
}

// matched takes the image that is known here and has the kernel's build-id.
func (f *finder) matched(k *Kernel) bool {
	for _, img := range f.images(k.Release) {
		if k.BuildID != nil && bytes.Equal(img.Key().BuildID, k.BuildID) {
			link, _ := linked(img, "_text")
			k.Slide, k.Path, k.Size = uint64(k.Base)-link, img.Path(), img.Size()
			return true
		}
	}
	return false
}

// lookThrough looks for the banner, the build-id and the table of symbols in the kernel's
// read-only data.
func (f *finder) lookThrough(k *Kernel) *kallsyms {
	var data []byte
	var table *kallsyms
	at, near, known := f.readOnly(k.Base), false, k.BuildID != nil
	for len(data) < maxSurvey {
		p := make([]byte, surveyPiece)
		n := f.read(at+arch.Addr(len(data)), p)
		before := max(0, len(data)-4096)
		data = append(data, p[:n]...)
		fresh := data[before:]
		if i := bytes.Index(fresh, []byte(bannerMark)); k.Banner == "" && i >= 0 {
			line, _, _ := strings.Cut(string(fresh[i:min(len(fresh), i+maxBanner)]), "\x00")
			k.setBanner(line)
		}
		if near = near || bytes.Contains(fresh, digits); near && table == nil {
			table = findKallsyms(data, k.Base)
		}
		if id := f.noted(table); id != nil {
			k.BuildID = id
			break
		}
		if id := buildID(fresh); id != nil && !known { // the vDSO's lies here too: the last one counts
			k.BuildID = id
		}
		if n < len(p) {
			break
		}
	}
	return table
}

// noted is the build-id in the notes that a table of symbols leads to.
func (f *finder) noted(table *kallsyms) []byte {
	if table == nil {
		return nil
	}
	from, ok := table.address("__start_notes")
	to, ok2 := table.address("__stop_notes")
	if !ok || !ok2 || to <= from || to-from > 64<<10 {
		return nil
	}
	p := make([]byte, to-from)
	return buildID(p[:f.read(arch.Addr(from), p)])
}

// readOnly is where the kernel's read-only data begin: a grain behind the end of its
// text, whose unused last pages are not mapped; else base.
func (f *finder) readOnly(base arch.Addr) arch.Addr {
	const most = 64 << 20
	for at := base + grain; at < base+most; at += grain {
		if !f.mapped(at) {
			return base
		}
		if !f.mapped(at - 4096) {
			return at
		}
	}
	return base
}
