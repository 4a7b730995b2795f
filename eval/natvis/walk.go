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
	// maxChunk is how many nodes are found before what they hold is looked at.
	maxChunk = 4096
	// pageBytes of memory are there together or not at all.
	pageBytes = 4096
	// nodeBytes is what a node takes about, with what the allocator adds.
	nodeBytes = 128
	// compact bounds the containers that are read as if their nodes lay together, and
	// guessed how much is read so when they do not.
	compact = 64 << 10
	guessed = 256 << 10
	// maxFrontier bounds the nodes that are asked for at once beside the next one.
	maxFrontier = 64
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
	guessed int // bytes that were read on a guess
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
	it   *item
	size int64 // -1 not told
	head stop
	hops map[link]hop
	way  *trail
	left int       // nodes that are still wanted
	last arch.Addr // where was read last
	near int       // how many reads in a row lay close together
}

// linked makes elements lo..hi-1 of a list or tree, to its end when hi is negative.
// A list without Size ends at null, or where it comes back to its head. Nodes are found
// first: a walk that has to wait for memory is begun again, and what it passed is not
// looked at in vain.
func (s *scope) linked(ctx context.Context, it *item, way *trail, lo, hi int) ([]*eval.Object, error) {
	w := &walker{scope: s, it: it, way: way, hops: map[link]hop{}}
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
	for more := true; more; {
		var nodes []stop
		from := max(w.i, lo)
		nodes, more, err = w.nodes(ctx, way, lo, hi)
		if err != nil && retry(err) {
			w.explore(ctx)
			return nil, err
		}
		for k, node := range nodes {
			if err := c.add(s.in(preload(ctx, s, node.value())).node(ctx, it.nodes, from+k)); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return c.end(from+len(nodes), err)
		}
	}
	if it.right != nil {
		way.arrive(w.mark)
	}
	return c.done()
}

// nodes finds the next nodes behind lo, a chunk of them at most; more tells that there
// may be others. An error comes with the nodes before it.
func (w *walker) nodes(ctx context.Context, way *trail, lo, hi int) (out []stop, more bool, err error) {
	begun := w.mark.clone() // to go on from when something is not fetched yet
	for ; hi < 0 || w.i < hi; w.i++ {
		if len(out) == maxChunk {
			return out, true, nil
		}
		way.pass(w.mark)
		if begun.i+64 <= w.i {
			begun = w.mark.clone()
		}
		w.left = hi - w.i
		node, ok, err := w.node(ctx)
		if err == nil && !ok {
			return out, false, nil
		}
		if err == nil && w.i >= lo {
			out = append(out, node)
		}
		if err == nil && (w.i+1 != hi || w.it.right != nil) { // the last one's link need not be good
			err = w.leave(ctx, node)
		}
		if err != nil {
			if retry(err) {
				way.arrive(begun)
			}
			return out, false, err
		}
	}
	return out, false, nil
}

// explore asks for what a walk that has to wait will want next: the subtrees whose
// roots are known, those nearest first.
func (w *walker) explore(ctx context.Context) {
	if w.it.right == nil {
		return
	}
	var open []stop
	for _, n := range w.stack {
		if next, err := w.follow(ctx, n, w.it.right); err == nil && next.addr != 0 {
			open = append(open, next)
		}
	}
	defer func(last arch.Addr, near int) { w.last, w.near = last, near }(w.last, w.near)
	visits := min(max(w.left, 0), 1<<12)
	for asked := 0; len(open) > 0 && visits > 0 && asked < maxFrontier; visits-- {
		n := open[len(open)-1]
		open = open[:len(open)-1]
		for _, k := range []*code{w.it.right, w.it.next} {
			next, err := w.follow(ctx, n, k)
			switch {
			case err != nil && retry(err):
				asked++
			case err == nil && next.addr != 0 && next.addr != n.addr:
				open = append(open, next)
			}
		}
	}
}

// version counts the changes of memory, as far as s can know.
func version(s *scope) uint64 {
	if v, ok := s.Env.(eval.Versioned); ok {
		return v.MemoryVersion()
	}
	return 0
}

// step counts a node.
func (w *walker) step(ctx context.Context) error {
	w.steps++
	if w.steps > maxWalk || w.size >= 0 && int64(w.steps) > w.size {
		return &CorruptError{"its links do not end"}
	}
	if w.steps%256 == 0 {
		return ctx.Err()
	}
	return nil
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
var plainLink = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:\([^()]*\*\)\s*)?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)$`)
})

// learn notes a link that is a plain member, when it leads where the expression did.
func (w *walker) learn(ctx context.Context, from stop, k *code, to eval.Value) {
	m := plainLink().FindStringSubmatch(k.src)
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

// pointer reads the pointer at a.
func (w *walker) pointer(ctx context.Context, a arch.Addr) (arch.Addr, error) {
	w.readAhead(ctx, a)
	var b [8]byte
	p := b[:min(w.Arch().PtrSize, len(b))]
	n, err := w.ReadMemory(ctx, a, p)
	if n == len(p) {
		return decodePointer(w.Arch(), p), nil
	}
	if err != nil && retry(err) {
		return 0, err
	}
	v, err := eval.Int(ctx, w.scope, eval.Value{Type: wordType(w), Place: eval.InMemory, Addr: a}) // whose error tells the place
	return arch.Addr(v), err
}

// readAhead has what lies around a node read with it: nodes often lie close together.
// How much is by how many of the last ones did, and by how many there are.
func (w *walker) readAhead(ctx context.Context, a arch.Addr) {
	if w.last-a < pageBytes || a-w.last < pageBytes {
		w.near++
	} else {
		w.near /= 2
	}
	w.last = a
	env, ok := w.Env.(eval.Ahead)
	if !ok {
		return
	}
	size := pageBytes / 4
	switch {
	case w.near >= 32:
		size = 16 * pageBytes
	case w.near >= 8:
		size = 4 * pageBytes
	case w.near >= 2:
		size = pageBytes
	}
	guess := w.size >= 0 && w.size*nodeBytes <= compact && w.way.guessed < guessed
	if guess {
		size = max(size, 4*pageBytes)
	}
	if w.left > 0 {
		size = min(size, w.left*nodeBytes)
	}
	from := a &^ (pageBytes - 1)
	if size < pageBytes {
		from = a &^ (pageBytes/4 - 1)
	}
	if env.ReadAhead(ctx, a, from, max(from+arch.Addr(size), a+nodeBytes)) && guess {
		w.way.guessed += size
	}
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
