package linuxkernel

import (
	"iter"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// This file walks the kernel's trees.

// count is how many elements an array member has.
func (f field) count() int {
	if t := f.typ.Strip(); t != nil && t.Kind == symbols.Array {
		return int(max(t.Count, 0))
	}
	return 0
}

// redBlack walks a tree of rb_node in order.
func (r *reader) redBlack(root arch.Addr) iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		left := maxList
		var walk func(at arch.Addr, depth int) bool
		walk = func(at arch.Addr, depth int) bool {
			if at == 0 {
				return true
			}
			if left--; left < 0 || depth > 128 || r.stuck() {
				return false
			}
			return walk(arch.Addr(r.get(at, "rb_node", "rb_left")), depth+1) && yield(at) && walk(arch.Addr(r.get(at, "rb_node", "rb_right")), depth+1)
		}
		walk(root, 0)
	}
}

// The two lowest bits of a tree's slot say what it is (include/linux/xarray.h): a
// pointer, a number (bit 0), or something of the tree's own, below 4096 a mark and
// above a node.
const (
	slotMask     = 3
	slotInternal = 2
	slotMarks    = 4096
	xaChunk      = 64 // XA_CHUNK_SIZE
	maxDepth     = 32 // of any tree
)

// xarray walks the pointers of a struct xarray, by index.
func (r *reader) xarray(at arch.Addr) iter.Seq2[uint64, arch.Addr] {
	return func(yield func(uint64, arch.Addr) bool) {
		r.xaSlot(r.get(at, "xarray", "xa_head"), 0, 0, yield)
	}
}

// xaSlot walks below one slot; false when the walk is over.
func (r *reader) xaSlot(slot, index uint64, depth int, yield func(uint64, arch.Addr) bool) bool {
	switch {
	case slot == 0:
		return true
	case slot&slotMask != slotInternal || slot < slotMarks:
		return slot&slotMask != 0 || yield(index, arch.Addr(slot))
	case depth > maxDepth || r.stuck():
		return false
	}
	node := arch.Addr(slot - slotInternal)
	shift := r.get(node, "xa_node", "shift")
	slots := r.at(node, "xa_node", "slots")
	r.touch(slots, 8*xaChunk)
	for i := range uint64(xaChunk) {
		if !r.xaSlot(r.uint(slots+arch.Addr(8*i), 8), index|i<<(shift&63), depth+1, yield) {
			return false
		}
	}
	return true
}

// mapleTree walks the entries of a struct maple_tree (lib/maple_tree.c), each by the
// first index of its range.
func (r *reader) mapleTree(at arch.Addr) iter.Seq2[uint64, arch.Addr] {
	return func(yield func(uint64, arch.Addr) bool) {
		root := r.get(at, "maple_tree", "ma_root")
		if root&slotMask == slotInternal && root >= slotMarks {
			r.mapleNode(root, 0, ^uint64(0), 0, yield)
		} else if root != 0 {
			yield(0, arch.Addr(root))
		}
	}
}

// mapleLayouts are by what the bits 3 to 6 of a pointer to a node say (enum
// maple_type): a dense node, a leaf, and nodes of two sizes.
var mapleLayouts = [...]struct {
	pivots, slots string
	leaf          bool
}{{"", "slot", true}, {"mr64.pivot", "mr64.slot", true}, {"mr64.pivot", "mr64.slot", false}, {"ma64.pivot", "ma64.slot", false}}

// mapleNode walks a node for the indices lo to hi; slot i ends at pivot i.
func (r *reader) mapleNode(enode, lo, hi uint64, depth int, yield func(uint64, arch.Addr) bool) bool {
	kind, node := enode>>3&0xf, arch.Addr(enode&^0xff)
	if depth > maxDepth || int(kind) >= len(mapleLayouts) || r.stuck() {
		r.note(failed("a maple tree's node at 0x%x is of kind %d", uint64(node), kind))
		return false
	}
	l := mapleLayouts[kind]
	slots := r.field("maple_node", l.slots)
	var pivots field
	if l.pivots != "" {
		pivots = r.field("maple_node", l.pivots)
	}
	r.touch(node, 256)
	for i := range arch.Addr(slots.count()) {
		end := hi
		switch {
		case l.pivots == "":
			end = lo
		case int(i) < pivots.count():
			if p := r.uint(node+pivots.offset+8*i, 8); p != 0 || lo == 0 {
				end = min(p, hi)
			}
		}
		slot := r.uint(node+slots.offset+8*i, 8)
		switch {
		case slot == 0 || slot < slotMarks && slot&slotMask == slotInternal:
		case l.leaf && !yield(lo, arch.Addr(slot)):
			return false
		case !l.leaf && !r.mapleNode(slot, lo, end, depth+1, yield):
			return false
		}
		if end >= hi || r.stuck() {
			break
		}
		lo = end + 1
	}
	return !r.stuck()
}
