package natvis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

const (
	// maxRank bounds the dimensions of ArrayItems.
	maxRank = 8
	// maxBytes is the most memory a container can take.
	maxBytes = 1 << 40
)

// CorruptError: a container contradicts itself.
type CorruptError struct{ Msg string }

func (e *CorruptError) Error() string { return "the container is not intact: " + e.Msg }

// size evaluates the first Size whose condition holds; -1 when there is none. A
// rule that finds the object inconsistent gives -1 as its size.
func (s *scope) size(ctx context.Context, list []guarded) (int64, error) {
	for _, z := range list {
		ok, err := s.allow(ctx, z.guard)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		n, err := s.count(ctx, z.code)
		if err != nil {
			if z.optional && !retry(err) {
				continue
			}
			return 0, err
		}
		switch {
		case n == -1:
			return 0, &CorruptError{"its parts contradict each other"}
		case n < 0 || n > maxBytes:
			return 0, &CorruptError{fmt.Sprintf("its size would be %d", n)}
		}
		return n, nil
	}
	return -1, nil
}

// listSegment counts the elements of a list element and says how to page them.
func (s *scope) listSegment(ctx context.Context, it *item) (segment, error) {
	if it.kind == "ArrayItems" && it.rank != nil {
		return s.matrix(ctx, it)
	}
	n, err := s.size(ctx, it.size)
	if err != nil {
		return segment{}, err
	}
	if err := s.probe(ctx, it); err != nil {
		return segment{}, err
	}
	g := segment{n: int(min(n, math.MaxInt32)), index: true}
	switch it.kind {
	case "ArrayItems":
		if err := s.fits(ctx, it, n); err != nil {
			return segment{}, err
		}
		g.page = func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
			return s.array(ctx, it, lo, hi)
		}
	case "IndexListItems":
		g.page = func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
			return s.indexList(ctx, it, lo, hi)
		}
	default:
		way := &trail{}
		g.page = func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
			return s.linked(ctx, it, way, lo, hi)
		}
	}
	return g, nil
}

// probe tells whether the expressions of the elements are written for another
// layout, before a page asks for them.
func (s *scope) probe(ctx context.Context, it *item) error {
	var err error
	switch it.kind {
	case "ArrayItems":
		_, _, err = s.first(ctx, it)
	case "LinkedListItems", "TreeItems":
		var head eval.Value
		if head, err = s.pointee(ctx, it.head); err == nil && head.Addr != 0 && len(it.nodes) == 1 {
			_, err = s.in(head).eval(ctx, it.nodes[0].code)
		}
	}
	if err != nil && (misfit(err) || retry(err)) {
		return err
	}
	return nil
}

// first evaluates the pointer of ArrayItems to the lvalue of element 0.
func (s *scope) first(ctx context.Context, it *item) (eval.Value, *code, error) {
	for _, n := range it.nodes {
		ok, err := s.allow(ctx, n.guard)
		if err != nil {
			return eval.Value{}, nil, err
		}
		if !ok {
			continue
		}
		v, err := s.eval(ctx, n.code)
		if err != nil {
			return v, nil, err
		}
		t := v.Type.Strip()
		switch {
		case t != nil && t.Kind == symbols.Array:
			v.Type = t.Elem
			return v, n.code, nil
		case t != nil && t.Kind == symbols.Pointer && t.Elem != nil:
			p, err := eval.Int(ctx, s, v)
			return eval.Value{Type: t.Elem, Place: eval.InMemory, Addr: arch.Addr(p)}, n.code, err
		}
		return v, nil, &eval.TypeError{Type: v.Type, Msg: "is not a pointer to elements"}
	}
	return eval.Value{}, nil, &CorruptError{"no ValuePointer applies"}
}

// fits refuses n elements that no memory holds; few are not looked at.
func (s *scope) fits(ctx context.Context, it *item, n int64) error {
	if n <= math.MaxInt32 {
		return nil
	}
	first, _, err := s.first(ctx, it)
	if err == nil && n > maxBytes/max(first.Type.ByteSize(), 1) {
		err = &CorruptError{fmt.Sprintf("its size would be %d", n)}
	}
	return err
}

func (s *scope) array(ctx context.Context, it *item, lo, hi int) ([]*eval.Object, error) {
	first, k, err := s.first(ctx, it)
	if err != nil {
		return nil, err
	}
	expr := ""
	if s.expr != "" && memberPath().MatchString(k.src) {
		expr = s.path(k.src, first)
	} else if p := atAddress(first.Type, first.Addr); p != "" {
		expr = "(" + p[1:] + ")"
	}
	kids, err := s.model.Elements(ctx, s.Env, first, expr, s.inner(k.format), lo, hi)
	if it.lower == nil || it.rank != nil || err != nil {
		return kids, err
	}
	base, err := s.count(ctx, it.lower)
	if err != nil {
		return nil, err
	}
	for i, o := range kids {
		o.Name = "[" + strconv.FormatInt(base+int64(lo+i), 10) + "]"
	}
	return kids, nil
}

// matrix is ArrayItems with a Rank: $i in Size is the dimension.
func (s *scope) matrix(ctx context.Context, it *item) (segment, error) {
	rank, err := s.count(ctx, it.rank)
	if err != nil {
		return segment{}, err
	}
	if rank < 1 || rank > maxRank {
		return segment{}, &CorruptError{fmt.Sprintf("it has %d dimensions", rank)}
	}
	dims, low := make([]int64, rank), make([]int64, rank)
	total := int64(1)
	for i := range dims {
		if it.lower != nil {
			if low[i], err = s.at(uint64(i)).count(ctx, it.lower); err != nil {
				return segment{}, err
			}
		}
		if dims[i], err = s.at(uint64(i)).size(ctx, it.size); err != nil {
			return segment{}, err
		}
		if dims[i] < 0 || dims[i] > 0 && total > math.MaxInt32/dims[i] {
			return segment{}, &CorruptError{"its dimensions are too large"}
		}
		total *= dims[i]
	}
	return segment{n: int(total), index: true, page: func(ctx context.Context, s *scope, lo, hi int) ([]*eval.Object, error) {
		kids, err := s.array(ctx, it, lo, hi)
		for i, o := range kids {
			o.Name = indices(int64(lo+i), dims, low, it.back)
		}
		return kids, err
	}}, nil
}

// indices writes the place of element n: row-major, column-major when back.
func indices(n int64, dims, low []int64, back bool) string {
	out := make([]string, len(dims))
	for j := range dims {
		i := len(dims) - 1 - j
		if back {
			i = j
		}
		out[i] = strconv.FormatInt(low[i]+n%dims[i], 10)
		n /= dims[i]
	}
	return "[" + strings.Join(out, ",") + "]"
}

// collect makes the nodes lo..hi-1 and gathers what is not fetched yet.
type collect struct {
	out  []*eval.Object
	need []error
}

func (c *collect) add(o *eval.Object, err error) error {
	switch {
	case err == nil && o != nil:
		c.out = append(c.out, o)
	case err != nil && retry(err):
		c.need = append(c.need, err)
		if ctxEnded(err) {
			return err
		}
	case err != nil:
		return err
	}
	return nil
}

// end closes a walk that err stopped at element i.
func (c *collect) end(i int, err error) ([]*eval.Object, error) {
	if retry(err) {
		c.need = append(c.need, err)
	} else {
		c.out = append(c.out, broken(i, err))
	}
	return c.done()
}

func (c *collect) done() ([]*eval.Object, error) { return c.out, errors.Join(c.need...) }

func ctxEnded(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

func (s *scope) indexList(ctx context.Context, it *item, lo, hi int) ([]*eval.Object, error) {
	var c collect
	for i := lo; i < hi; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.add(s.at(uint64(i)).node(ctx, it.nodes, i)); err != nil {
			return nil, err
		}
	}
	return c.done()
}

// node makes element i by the first ValueNode whose condition holds.
func (s *scope) node(ctx context.Context, list []node, i int) (*eval.Object, error) {
	label := "[" + strconv.Itoa(i) + "]"
	for _, n := range list {
		ok, err := s.allow(ctx, n.guard)
		if err != nil {
			if retry(err) {
				return nil, err
			}
			return &eval.Object{Name: label, Err: err}, nil
		}
		if ok {
			o, err := s.child(ctx, n.name, n.code, label)
			if err == nil {
				o.Keyed = len(n.name) > 0
			}
			return o, err
		}
	}
	return nil, nil
}

// broken is the node that ends a list whose rest cannot be shown.
func broken(i int, err error) *eval.Object {
	return &eval.Object{Name: "[" + strconv.Itoa(i) + "]", Err: err}
}

// pointee evaluates a pointer to a node in the context of the object or of another node.
func (s *scope) pointee(ctx context.Context, k *code) (eval.Value, error) {
	v, err := s.eval(ctx, k)
	if err != nil {
		return v, err
	}
	t := v.Type.Strip()
	if t == nil || t.Kind != symbols.Pointer || t.Elem == nil {
		return v, &eval.TypeError{Type: v.Type, Msg: "is not a pointer to a node"}
	}
	p, err := eval.Int(ctx, s, v)
	return eval.Value{Type: t.Elem, Place: eval.InMemory, Addr: arch.Addr(p)}, err
}
