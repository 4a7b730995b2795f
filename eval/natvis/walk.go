package natvis

import (
	"context"
	"encoding/binary"
	"fmt"
	"regexp"
	"sort"
	"sync"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

const (
	// maxWalk bounds the nodes visited for one page of a list or tree.
	maxWalk = 8_000_000
	// maxHeight bounds the stack of a tree's traversal.
	maxHeight = 1 << 16
	// markEvery is how many elements lie between the marks of a trail.
	markEvery = 1024
	// maxBlocks bounds what a walk keeps of the memory that it reads ahead.
	maxBlocks = 128
)

// stop is a node on the way.
type stop struct {
	addr arch.Addr
	typ  *symbols.Type
}

func (p stop) value() eval.Value {
	return eval.Value{Type: p.typ, Place: eval.InMemory, Addr: p.addr}
}

// mark is a place of a walk from which it can go on: element i comes next.
type mark struct {
	i, steps int
	cur      stop   // the node of element i; of a tree, the subtree that is next
	stack    []stop // of a tree: nodes whose left part is done
	seen     stop   // of a list: a node passed before, to notice a circle
	until    int    // when seen is renewed
}

// trail is where the walks of one container have been, so that the next page goes
// on from there. It belongs to a node of the data model, which lives for one
// stop; what is written to memory in between ends it.
type trail struct {
	mu      sync.Mutex
	version uint64
	marks   []mark // by element
	last    mark
	some    bool
}

// from is the best mark for element i; ok false when the walk begins at the head.
func (t *trail) from(i int, version uint64) (mark, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version != version {
		t.version, t.marks, t.some = version, nil, false
	}
	if t.some && t.last.i <= i && t.last.i+markEvery >= i {
		return t.last.clone(), true
	}
	n := sort.Search(len(t.marks), func(k int) bool { return t.marks[k].i > i })
	switch {
	case t.some && t.last.i <= i && (n == 0 || t.marks[n-1].i < t.last.i):
		return t.last.clone(), true
	case n > 0:
		return t.marks[n-1].clone(), true
	}
	return mark{}, false
}

// pass notes the marks a walk comes by, and arrive where it ends.
func (t *trail) pass(m mark) {
	if m.i%markEvery != 0 || m.i == 0 || len(m.stack) > 256 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.marks); n == 0 || t.marks[n-1].i < m.i {
		t.marks = append(t.marks, m.clone())
	}
}

func (t *trail) arrive(m mark) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.some = m.clone(), true
}

func (m mark) clone() mark {
	m.stack = append([]stop(nil), m.stack...)
	return m
}

// walker goes through the nodes of a list, or of a tree in order: left, node, right.
type walker struct {
	*scope
	mark
	it     *item
	size   int64 // -1 not told
	head   stop
	hops   map[link]hop
	blocks map[arch.Addr][]byte
	block  arch.Addr // bytes read at once, 0: single pointers
}

// linked makes elements lo..hi-1 of a list or tree, to its end when hi is negative.
// A list without Size ends at null, or where it comes back to its head.
func (s *scope) linked(ctx context.Context, it *item, way *trail, lo, hi int) ([]*eval.Object, error) {
	w := &walker{scope: s, it: it, hops: map[link]hop{}, blocks: map[arch.Addr][]byte{}}
	var err error
	if w.size, err = s.size(ctx, it.size); err != nil {
		return nil, err
	}
	at, err := s.pointee(ctx, it.head)
	if err != nil {
		return nil, err
	}
	w.head = stop{at.Addr, at.Type}
	var ok bool
	if w.mark, ok = way.from(lo, version(s)); !ok {
		w.mark = mark{cur: w.head}
	}
	var c collect
	begun := w.mark.clone() // to go on from when something is not fetched yet
	for ; hi < 0 || w.i < hi; w.i++ {
		way.pass(w.mark)
		if begun.i+64 <= w.i {
			begun = w.mark.clone()
		}
		node, ok, err := w.node(ctx)
		if err != nil {
			if retry(err) {
				way.arrive(begun)
			}
			return c.end(max(w.i, lo), err)
		}
		if !ok {
			return c.done()
		}
		if w.i >= lo {
			if err := c.add(s.in(preload(ctx, s, node.value())).node(ctx, it.nodes, w.i)); err != nil {
				return nil, err
			}
		}
		if w.i+1 == hi && it.right == nil { // the last one's link need not be good
			break
		}
		if err := w.leave(ctx, node); err != nil {
			if retry(err) {
				way.arrive(begun)
			}
			return c.end(max(w.i+1, lo), err)
		}
	}
	if it.right != nil {
		way.arrive(w.mark)
	}
	return c.done()
}

// version counts the changes of memory, as far as s can know.
func version(s *scope) uint64 {
	if v, ok := s.Env.(eval.Versioned); ok {
		return v.MemoryVersion()
	}
	return 0
}

// step counts a node and reads ahead in larger blocks the longer the walk is.
func (w *walker) step(ctx context.Context) error {
	w.steps++
	switch {
	case w.steps > maxWalk, w.size >= 0 && int64(w.steps) > w.size:
		return &CorruptError{"its links do not end"}
	case w.steps >= 1<<14:
		w.readAhead(1 << 16)
	case w.steps >= 1<<6:
		w.readAhead(1 << 12)
	case w.steps >= 1<<2:
		w.readAhead(1 << 10)
	}
	if w.steps%256 == 0 {
		return ctx.Err()
	}
	return nil
}

func (w *walker) readAhead(size arch.Addr) {
	if w.block != size || len(w.blocks) > maxBlocks {
		w.block = size
		clear(w.blocks)
	}
}

// node is the node of element i; ok false at the end.
func (w *walker) node(ctx context.Context) (stop, bool, error) {
	if w.it.right == nil {
		return w.cur, !w.ended(), w.broken(ctx)
	}
	for w.cur.addr != 0 {
		if err := w.step(ctx); err != nil {
			return stop{}, false, err
		}
		if len(w.stack) >= maxHeight {
			return stop{}, false, &CorruptError{"the tree does not end"}
		}
		w.stack = append(w.stack, w.cur)
		next, err := w.follow(ctx, w.cur, w.it.next)
		if err != nil {
			return stop{}, false, err
		}
		w.cur = next
	}
	if len(w.stack) == 0 {
		if w.size >= 0 && int64(w.i) < w.size {
			return stop{}, false, &CorruptError{fmt.Sprintf("the tree ends after %d elements", w.i)}
		}
		return stop{}, false, nil
	}
	n := len(w.stack) - 1
	top := w.stack[n]
	w.stack = w.stack[:n]
	return top, true, nil
}

// ended tells that a list that does not count its elements is at its end.
func (w *walker) ended() bool {
	return w.size < 0 && (w.cur.addr == 0 || w.i > 0 && w.cur.addr == w.head.addr)
}

// broken tells why the list cannot go on with element i. A list that comes back
// to a node it had is noticed soon: the node remembered is renewed at distances
// that double.
func (w *walker) broken(ctx context.Context) error {
	switch {
	case w.ended():
		return nil
	case w.cur.addr == 0:
		return &CorruptError{fmt.Sprintf("the list ends after %d elements", w.i)}
	case w.i > 0 && w.cur.addr == w.seen.addr:
		return &CorruptError{fmt.Sprintf("its links run in a circle within %d elements", w.i)}
	}
	if w.i >= w.until {
		w.seen, w.until = w.cur, max(2*w.i, 1)
	}
	return w.step(ctx)
}

// leave goes on from the node of element i.
func (w *walker) leave(ctx context.Context, node stop) (err error) {
	k := w.it.next
	if w.it.right != nil {
		k = w.it.right
	}
	w.cur, err = w.follow(ctx, node, k)
	return err
}

// link is a pointer of a type of nodes, and hop where it lies in each: it is read
// without evaluating the expression.
type link struct {
	code *code
	typ  *symbols.Type
}

type hop struct {
	offset arch.Addr
	to     *symbols.Type
}

func (w *walker) follow(ctx context.Context, from stop, k *code) (stop, error) {
	h, ok := w.hops[link{k, from.typ}]
	if ok {
		p, err := w.pointer(ctx, from.addr+h.offset)
		return stop{p, h.to}, err
	}
	v, err := w.in(preload(ctx, w.scope, from.value())).pointee(ctx, k)
	if err != nil {
		return stop{}, err
	}
	w.learn(ctx, from, k, v)
	return stop{v.Addr, v.Type}, nil
}

// plainLink is a member, perhaps of a member, perhaps converted.
var plainLink = regexp.MustCompile(`^(?:\([^()]*\*\)\s*)?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)$`)

// learn notes a link that is a plain member, when it leads where the expression did.
func (w *walker) learn(ctx context.Context, from stop, k *code, to eval.Value) {
	m := plainLink.FindStringSubmatch(k.src)
	t := from.typ.Strip()
	if m == nil || to.Addr == 0 || virtual(t) {
		return
	}
	e, err := eval.Parse(m[1], eval.Options{})
	if err != nil {
		return
	}
	v, err := w.in(from.value()).eval(ctx, &code{src: m[1], expr: e})
	off := v.Addr - from.addr
	if err != nil || v.Place != eval.InMemory || int64(off) < 0 || int64(off) >= t.ByteSize() {
		return
	}
	if p, err := w.pointer(ctx, v.Addr); err == nil && p == to.Addr {
		w.hops[link{k, from.typ}] = hop{off, to.Type}
	}
}

// virtual reports whether the place of a member may depend on the object.
func virtual(t *symbols.Type) bool {
	if t == nil {
		return true
	}
	for _, f := range t.Members().Fields {
		if f.Virtual {
			return true
		}
	}
	return false
}

// pointer reads the pointer at a, with what lies around it when the walk is long.
func (w *walker) pointer(ctx context.Context, a arch.Addr) (arch.Addr, error) {
	if w.block > 0 {
		base := a &^ (w.block - 1)
		b, ok := w.blocks[base]
		if !ok {
			b = make([]byte, w.block)
			n, err := w.ReadMemory(ctx, base, b)
			if err != nil && retry(err) {
				return 0, err
			}
			b = b[:max(n, 0)]
			w.blocks[base] = b
		}
		if off, size := a-base, arch.Addr(w.Arch().PtrSize); off+size <= arch.Addr(len(b)) {
			return decodePointer(w.Arch(), b[off:off+size]), nil
		}
	}
	p, err := eval.Int(ctx, w.scope, eval.Value{Type: wordType(w), Place: eval.InMemory, Addr: a})
	return arch.Addr(p), err
}

func wordType(env eval.Env) *symbols.Type {
	t, _ := eval.Builtin(env, "unsigned long")
	return t
}

func decodePointer(a *arch.Arch, b []byte) arch.Addr {
	var order binary.ByteOrder = binary.LittleEndian
	if a.BigEndian {
		order = binary.BigEndian
	}
	if len(b) == 4 {
		return arch.Addr(order.Uint32(b))
	}
	return arch.Addr(order.Uint64(b))
}

// preload reads a node's bytes once for all its members.
func preload(ctx context.Context, s *scope, v eval.Value) eval.Value {
	if b, err := eval.Fetch(ctx, s, v); err == nil {
		v.Bytes = b
	}
	return v
}
