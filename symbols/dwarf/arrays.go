package dwarf

import "dap-windbg/symbols"

// maxDimensions bounds the subranges of an array; languages allow 15.
const maxDimensions = 64

// dimension is one subrange of an array.
type dimension struct {
	lower  int64
	count  int64 // -1 unknown
	stride int64 // bytes, 0 when not told
}

// fillArray makes one Array a dimension, the outermost first.
func (d *Data) fillArray(t *symbols.Type, e *die, elem *symbols.Type) {
	if e.ab.tag == tagString {
		d.fillString(t, e)
		return
	}
	t.Vector = e.flag(atGNUVector)
	dims, dynamic, _ := e.dimensions(nil)
	if dynamic || e.has(atDataLocation) || e.has(atAllocated) || e.has(atAssociated) {
		t.Dynamic = dynamicType{d, e.ref()}
	}
	d.shape(t, dims, elem)
}

// fillString makes a Fortran string an array of characters.
func (d *Data) fillString(t *symbols.Type, e *die) {
	t.Lower = 1
	t.Elem = &symbols.Type{Kind: symbols.Base, Name: "char", Size: 1, Encoding: symbols.UnsignedChar, Language: t.Language, Image: d.opt.Image}
	if c := d.makeType(e.mergedTarget(atType), 1); c.Kind == symbols.Base && c.Size > 0 {
		t.Elem = c
	}
	t.Count = -1
	switch {
	case e.has(atStringLength):
		t.Size, t.Dynamic = -1, dynamicType{d, e.ref()}
	case t.Size >= 0:
		t.Count = t.Size / t.Elem.Size
	}
}

// shape makes t an array of the dimensions, the first of them outermost.
func (d *Data) shape(t *symbols.Type, dims []dimension, elem *symbols.Type) {
	for i := len(dims) - 1; i > 0; i-- {
		inner := &symbols.Type{Kind: symbols.Array, Size: -1, Vector: t.Vector, Language: t.Language, Image: d.opt.Image}
		inner.Elem, inner.Lower, inner.Count, inner.Stride = elem, dims[i].lower, dims[i].count, dims[i].stride
		inner.Size = arraySize(inner)
		elem = inner
	}
	t.Elem, t.Lower, t.Count, t.Stride = elem, dims[0].lower, dims[0].count, dims[0].stride
	if t.Size < 0 {
		t.Size = arraySize(t)
	}
}

// maxArray bounds counts that sizes are computed from.
const maxArray = 1 << 40

func arraySize(t *symbols.Type) int64 {
	size := t.Stride
	if size == 0 {
		size = sizeOf(t.Elem)
	} else if size < 0 {
		size = -size
	}
	if size < 0 || t.Count < 0 || t.Count > maxArray || size > 0 && t.Count > (1<<62)/size {
		return -1
	}
	return t.Count * size
}

// dimensions reads an array's subranges, the outermost first. Bounds that are
// computed are left unknown, and told by dynamic, when m is nil.
func (d *die) dimensions(m *machine) (dims []dimension, dynamic bool, err error) {
	d.children(func(c *die) bool {
		switch c.ab.tag {
		case tagSubrange, tagGenericSubrange:
			dim, computed, e := c.dimension(m)
			if e != nil {
				err = e
				return false
			}
			dynamic = dynamic || computed
			dims = append(dims, dim)
		case tagEnumeration:
			dims = append(dims, dimension{count: c.enumCount()})
		}
		return len(dims) < maxDimensions
	})
	if len(dims) == 0 {
		dims = []dimension{{count: -1}}
	}
	if d.columnMajor() { // the first subrange varies fastest
		for i, k := 0, len(dims)-1; i < k; i, k = i+1, k-1 {
			dims[i], dims[k] = dims[k], dims[i]
		}
	}
	inner := &dims[len(dims)-1]
	if n, ok := d.uint(atByteStride); ok && inner.stride == 0 {
		inner.stride = int64(n)
	} else if n, ok := d.uint(atBitStride); ok && inner.stride == 0 {
		inner.stride = int64(n / 8)
	}
	return dims, dynamic, err
}

// columnMajor tells the order of an array's elements (DWARF 5, 5.5): Fortran's
// unless the other is told.
func (d *die) columnMajor() bool {
	if n, ok := d.uint(atOrdering); ok {
		return n == 1
	}
	return d.u.root.lang == symbols.Fortran
}

// dimension reads a subrange.
func (d *die) dimension(m *machine) (dim dimension, dynamic bool, err error) {
	bound := func(n attrName) (int64, bool) {
		v, ok := d.attr(n)
		if !ok || err != nil {
			return 0, false
		}
		if v.constant() {
			return d.limit(v), true
		}
		dynamic = true
		if m == nil {
			return 0, false
		}
		var x int64
		if x, err = m.number(d.u, v); err != nil {
			return 0, false
		}
		return x, true
	}
	dim.count = -1
	low, known := bound(atLowerBound)
	if !known && !d.has(atLowerBound) {
		known = true
		if d.u.root.lang == symbols.Fortran {
			low = 1
		}
	}
	dim.lower = low
	if n, ok := bound(atCount); ok {
		dim.count = max(n, -1)
	} else if up, ok := bound(atUpperBound); ok && known {
		dim.count = max(up-low+1, 0)
	}
	if n, ok := bound(atByteStride); ok {
		dim.stride = n
	} else if n, ok := bound(atBitStride); ok {
		dim.stride = n / 8
	}
	return dim, dynamic, err
}

// limit is a bound that is a constant. Forms without a sign hold no negative
// bounds, but for the -1 that old compilers end an array of no elements with.
func (d *die) limit(v value) int64 {
	if v.form != formData4 || v.u != 1<<32-1 {
		return int64(v.u)
	}
	if t, ok := d.u.data.die(d.target(atType)); ok {
		if n, ok := t.uint(atByteSize); ok && n > 4 {
			return int64(v.u)
		}
	}
	return -1
}

func (d *die) enumCount() int64 {
	var n int64
	d.children(func(c *die) bool {
		if c.ab.tag == tagEnumerator {
			n++
		}
		return true
	})
	return n
}
