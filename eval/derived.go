package eval

import (
	"context"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// DynamicObject is the whole object that v, a class value with virtual functions, is
// a part of: its type is that of the table of virtual functions it points to. ok is
// false when that is v's own type or cannot be known.
//
// The table begins two words before where objects point, with the distance to the
// whole object (Itanium C++ ABI, 2.5.2); its symbol is "vtable for T".
func DynamicObject(ctx context.Context, env Env, v Value) (Value, bool, error) {
	t := completed(v.Type)
	off, ok := tableOffset(t, maxBases)
	if !ok || v.Place != InMemory || v.Err != nil {
		return v, false, nil
	}
	v, err := preload(ctx, env, v) // whoever wants its type wants its members next
	if err != nil {
		return v, false, err
	}
	word := languageOf(env.Arch()).named("unsigned long")
	at := Value{Type: word, Place: InMemory, Addr: v.Addr + arch.Addr(off)}
	if v.Bytes != nil && off+word.Size <= int64(len(v.Bytes)) && v.Missing == nil {
		at.Bytes = v.Bytes[off : off+word.Size]
	}
	table, err := Int(ctx, env, at)
	if err != nil {
		return v, false, onlyRetry(err)
	}
	symbol := env.Symbol(ctx, arch.Addr(table))
	if class, ok := strings.CutSuffix(symbol, "::`vftable'"); ok {
		return microsoftObject(ctx, env, v, class[strings.IndexByte(class, '!')+1:])
	}
	_, name, found := strings.Cut(symbol, "vtable for ")
	at0 := "+0x" + map[int64]string{8: "10", 4: "8"}[word.Size]
	first := strings.HasSuffix(name, at0)
	if i := strings.LastIndex(name, "+0x"); i > 0 {
		name = name[:i]
	}
	if !found || name == t.Name {
		return v, false, nil
	}
	d, ok := dynamicType(ctx, env, t, name)
	if !ok || !d.IsComposite() {
		return v, false, nil
	}
	top := int64(0)
	if !first { // the table of a base that does not lie at the beginning
		n, err := Int(ctx, env, Value{Type: word, Place: InMemory, Addr: arch.Addr(table) - arch.Addr(2*word.Size)})
		if err != nil {
			return v, false, onlyRetry(err)
		}
		if top = int64(n); word.Size == 4 {
			top = int64(int32(n))
		}
	}
	whole := arch.Addr(int64(v.Addr) + off + top)
	if top > 0 || top < -maxObject {
		return v, false, nil // that is no table
	}
	return Value{Type: d, Place: InMemory, Addr: whole}, true, nil
}

// microsoftObject is DynamicObject in Microsoft's C++: tables have symbols of their
// own, and where in the whole object the part lies is what the class says of its bases.
func microsoftObject(ctx context.Context, env Env, v Value, name string) (Value, bool, error) {
	t := completed(v.Type)
	d, ok := dynamicType(ctx, env, t, name)
	if !ok || !d.IsComposite() || strip(d).Name == t.Name {
		return v, false, nil
	}
	at := basesOf(strip(d), t.Name, 0, maxBases)
	if len(at) != 1 {
		return v, false, nil // none, or the same base twice
	}
	return Value{Type: d, Place: InMemory, Addr: v.Addr - arch.Addr(at[0])}, true, nil
}

// basesOf is where in an object of class d its bases of a name lie, but for virtual ones.
func basesOf(d *symbols.Type, name string, from int64, depth int) (at []int64) {
	if d == nil || depth == 0 {
		return nil
	}
	for _, f := range d.Members().Fields {
		if !f.Base || f.Virtual {
			continue
		}
		base := completed(f.Type)
		if base != nil && base.Name == name {
			at = append(at, from+f.Offset)
			continue
		}
		at = append(at, basesOf(base, name, from+f.Offset, depth-1)...)
	}
	return at
}

// maxObject bounds how far a part may lie from the beginning of its object.
const maxObject = 1 << 24

func onlyRetry(err error) error {
	if retry(err) {
		return err
	}
	return nil
}

// dynamicType finds the class by the name its symbol has, first where t is from.
func dynamicType(ctx context.Context, env Env, t *symbols.Type, name string) (*symbols.Type, bool) {
	if ty, ok := t.Image.(symbols.Typer); ok {
		if d, ok := ty.Type(name); ok && !strip(d).Declaration {
			return d, true
		}
	}
	d, ok := findType(ctx, env, name)
	return d, ok && !strip(d).Declaration
}

// tableOffset is where in an object of class t the pointer to its table of virtual
// functions lies.
func tableOffset(t *symbols.Type, depth int) (int64, bool) {
	if t == nil || depth == 0 || t.Kind != symbols.Struct && t.Kind != symbols.Class || t.Language > symbols.CPlusPlus {
		return 0, false
	}
	for _, f := range t.Members().Fields {
		switch {
		case strings.HasPrefix(f.Name, "_vptr"), f.Name == "__vfptr":
			return f.Offset, true
		case f.Base && !f.Virtual && f.Offset == 0:
			if off, ok := tableOffset(completed(f.Type), depth-1); ok {
				return off, true
			}
		}
	}
	return 0, false
}
