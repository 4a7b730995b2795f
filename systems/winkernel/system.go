package winkernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
	"dap-windbg/targets"
)

// KernelName is the kernel's module, as commands spell it.
const KernelName = "nt"

// System is a machine that runs Windows. What it knows of the kernel holds until
// Forget; it belongs to the session's loop.
type System struct {
	kernel  *Kernel
	members map[string]member
	rows    []entry // the modules as they were last read
	counter uint64  // of unloads, then
	users   []targets.Module
	userOf  arch.Addr // the process that users are of
}

// New makes a System.
func New() *System { return &System{members: map[string]member{}} }

// Name implements systems.System.
func (*System) Name() string { return "winkernel" }

// Forget drops what was found: the machine was started anew.
func (s *System) Forget() { *s = *New() }

// Watch implements systems.System: the far end tells of modules.
func (*System) Watch() []string { return nil }

// Kernel is what is known of the kernel as a whole.
type Kernel struct {
	Base    arch.Addr
	Modules arch.Addr // PsLoadedModuleList, 0 unknown
	Block   arch.Addr // KDDEBUGGER_DATA64, 0 unknown
	Lab     string    // NtBuildLab
	Build   int       // 0 unknown
	block   *block
	bits    int   // of a pointer
	trouble error // why the block is not there
}

// width is the size of a pointer, bytes.
func (s *System) width() int {
	if s.kernel != nil && s.kernel.bits == 32 {
		return 4
	}
	return 8
}

// block is a debugger data block, decoded.
type block struct {
	b      []byte
	narrow bool // its pointers stand for addresses of 32 bits, however they are extended
}

func (d *block) at(off, n int) uint64 {
	var p [8]byte
	if d != nil && off+n <= len(d.b) {
		copy(p[:], d.b[off:off+n])
	}
	return binary.LittleEndian.Uint64(p[:])
}

func (d *block) u16(off int) uint16 { return uint16(d.at(off, 2)) }
func (d *block) u32(off int) uint32 { return uint32(d.at(off, 4)) }

// address is a pointer of the block; 0 when its version has none there.
func (d *block) address(off int) arch.Addr {
	v := d.at(off, 8)
	if d != nil && d.narrow {
		v &= 1<<32 - 1
	}
	return arch.Addr(v)
}

// BlockError: the data block cannot be used.
type BlockError struct {
	At     arch.Addr
	Reason string
}

func (e *BlockError) Error() string { return "Unable to read debugger data block header: " + e.Reason }

// Hint says what the user can do.
func (e *BlockError) Hint() string {
	return "With the kernel's PDB on .sympath its structures are found by symbols instead."
}

const (
	blockTag    = "KDBG"
	largestData = 0x1000 // no block is longer, bytes
	headerLen   = 24
)

// find learns where the kernel lies and what its data block says.
func (s *System) find(ctx context.Context, w systems.World) (*Kernel, error) {
	k := &Kernel{bits: 64}
	if set := w.Target().Info().Set; set != nil {
		k.bits = 8 * set.Arch.PtrSize
	}
	anchors := map[string]arch.Addr{}
	if a, ok := w.Target().(targets.Anchorer); ok {
		found, err := a.Anchors(ctx)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		anchors = found
	}
	k.Base, k.Modules, k.Block = anchors["kernbase"], anchors["modules"], anchors["kdbg"]
	if k.Base == 0 {
		if err := s.scan(ctx, w, k); err != nil {
			return nil, err
		}
	}
	if err := s.readBlock(ctx, w, k); err != nil {
		return nil, err
	}
	return k, nil
}

// readBlock reads the data block and what follows from it; a block that cannot be used
// is trouble to tell, not an error.
func (s *System) readBlock(ctx context.Context, w systems.World, k *Kernel) error {
	r := &reader{ctx: ctx, w: w, s: &System{kernel: k, members: s.members}}
	if k.Block == 0 {
		k.trouble = &BlockError{Reason: "the target does not say where it lies"}
		return r.labels(k)
	}
	var head [headerLen]byte
	if !r.read(k.Block, head[:]) {
		if r.need != nil || ctx.Err() != nil {
			return r.end()
		}
		k.trouble = &BlockError{k.Block, r.settle().Error()}
		return r.labels(k)
	}
	decode := func(p []byte) {}
	if string(head[kdTag:kdTag+4]) != blockTag {
		d, err := r.decoder(k.Block)
		if err != nil {
			return err
		}
		if d == nil || !tagged(head[:], d) {
			k.trouble = &BlockError{k.Block, "it has no tag KDBG, and the values that encode it are not known"}
			return r.labels(k)
		}
		decode = d
		d(head[:])
	}
	size := int(binary.LittleEndian.Uint32(head[kdSize:]))
	if size < kdProcesses+8 || size > largestData {
		k.trouble = &BlockError{k.Block, fmt.Sprintf("it claims to have %d bytes", size)}
		return r.labels(k)
	}
	b := make([]byte, size)
	copy(b, head[:])
	if !r.read(k.Block+headerLen, b[headerLen:]) {
		return r.end()
	}
	decode(b[headerLen:])
	k.block = &block{b, k.bits == 32}
	if a := k.block.address(kdModules); a != 0 {
		k.Modules = a
	}
	return r.labels(k)
}

func tagged(head []byte, decode func([]byte)) bool {
	p := append([]byte{}, head...)
	decode(p)
	return string(p[kdTag:kdTag+4]) == blockTag
}

// decoder makes the inverse of how a kernel that was not booted for debugging hides
// its block: per 64 bits, by three of its variables. Nil where nobody knows them.
func (r *reader) decoder(at arch.Addr) (func([]byte), error) {
	never, ok1 := r.symbol("KiWaitNever")
	always, ok2 := r.symbol("KiWaitAlways")
	encoded, ok3 := r.symbol("KdpDataBlockEncoded")
	if !ok1 || !ok2 || !ok3 {
		return nil, nil
	}
	n, a := r.uint(never, 8), r.uint(always, 8)
	if r.stuck() {
		return nil, r.end()
	}
	return func(p []byte) { decodeBlock(p, n, a, uint64(encoded)) }, nil
}

// decodeBlock decodes in place: rotate (value xor never) left by never's low bits, xor
// with the flag's address, swap the bytes, xor always.
func decodeBlock(p []byte, never, always, flag uint64) {
	for ; len(p) >= 8; p = p[8:] {
		v := bits.RotateLeft64(binary.LittleEndian.Uint64(p)^never, int(never&0xff))
		binary.LittleEndian.PutUint64(p, bits.ReverseBytes64(v^flag)^always)
	}
}

// labLen is how much of NtBuildLab is read, bytes.
const labLen = 64

// labels reads which build it is.
func (r *reader) labels(k *Kernel) error {
	if q, ok := r.w.Target().(targets.Queryer); ok { // kernels are known whose lab begins with no number
		if v, err := q.Query(r.ctx, targets.VersionBlock, ""); err == nil && len(v) >= 4 {
			k.Build = int(binary.LittleEndian.Uint16(v[2:]))
		}
	}
	at := k.block.address(kdBuildLab)
	if at == 0 {
		at, _ = r.symbol("NtBuildLab")
	}
	if at == 0 {
		return nil
	}
	k.Lab = r.text(at, labLen)
	if r.need != nil || r.ctx.Err() != nil {
		return r.end()
	}
	if number, _, ok := strings.Cut(k.Lab, "."); ok {
		if n, err := strconv.Atoi(number); err == nil && n > 0 {
			k.Build = n
		}
	}
	return nil
}

// known returns the kernel, finding it first when that has not been done.
func (s *System) known(ctx context.Context, w systems.World) (*Kernel, error) {
	if s.kernel == nil {
		k, err := s.find(ctx, w)
		if err != nil {
			return nil, err
		}
		s.kernel = k
	}
	return s.kernel, nil
}

// variable is where a variable of the kernel lies: by the data block, else by symbol.
func (r *reader) variable(off int, name string) (arch.Addr, bool) {
	if k := r.s.kernel; k != nil && off > 0 {
		if a := k.block.address(off); a != 0 {
			return a, true
		}
	}
	return r.symbol(name)
}
