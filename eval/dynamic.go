package eval

import (
	"context"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// resolve makes the type of v concrete where only the running program knows it: an
// array of variable length, a Fortran descriptor. f and pc are the place that v was
// seen from. What cannot be known is v.Err; a *symbols.NeedError is returned.
func resolve(ctx context.Context, f symbols.Frame, pc symbols.Offset, v Value) (Value, error) {
	if v.Type == nil || v.Err != nil {
		return v, nil
	}
	var at arch.Addr
	d, place := v.Type.Dynamic, v.Addr
	pointee := dynamicPointee(v.Type)
	switch {
	case pointee != nil: // its bounds are the function's: they do not depend on where it points
		d, place = pointee.Dynamic, 0
	case d == nil || v.Place != InMemory:
		return v, nil
	}
	t, at, err := d.Resolve(ctx, f, pc, place)
	switch {
	case err != nil && retry(err):
		return Value{}, err
	case pointee != nil:
		if err == nil {
			p := strip(v.Type)
			v.Type = &symbols.Type{Kind: p.Kind, Name: p.Name, Size: p.Size, Elem: t, Language: p.Language, Image: p.Image}
		}
	case err != nil:
		v.Err = err
	default:
		v.Type, v.Addr, v.Bytes, v.Missing = t, at, nil, nil
	}
	return v, nil
}

// dynamicPointee is what a C pointer or reference points to when that is dynamic, as
// the parameter `int a[n][n]` is; nil otherwise.
func dynamicPointee(t *symbols.Type) *symbols.Type {
	t = strip(t)
	if t.Kind != symbols.Pointer && t.Kind != symbols.Reference || t.Elem == nil || t.Elem.Dynamic == nil || t.Language > symbols.CPlusPlus {
		return nil
	}
	return t.Elem
}
