package eval

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Pointers to members, as the Itanium C++ ABI (2.3) has them: of data the offset,
// -1 for null; of a function its address, or 1 and the offset in the vtable, with
// the adjustment of this behind it. ARM keeps that 1 in the adjustment.

// memberPointerText writes "&C::m", or a number when no member is there.
func memberPointerText(ctx context.Context, env Env, v Value, t *symbols.Type, f Format) (string, error) {
	b, err := Fetch(ctx, env, v)
	if err != nil {
		return "", err
	}
	word := func(from int) (uint64, error) {
		size := env.Arch().PtrSize
		if from+size > len(b) {
			return 0, nil
		}
		n, err := decode(languageOf(env.Arch()).named("unsigned long"), b[from:from+size], 0, env.Arch())
		return n.lo, err
	}
	at, err := word(0)
	if err != nil {
		return "", err
	}
	if strip(elem(t)).Kind != symbols.Func {
		if int64(at) == -1 || env.Arch().PtrSize == 4 && int32(at) == -1 {
			return addressText(0, env.Arch(), f), nil
		}
		if name, ok := memberAtOffset(completed(t.Owner), strip(elem(t)), int64(at), maxBases, new(int)); ok {
			return "&" + name, nil
		}
		return fmt.Sprintf("0x%x", at), nil
	}
	adjust, err := word(env.Arch().PtrSize)
	if err != nil {
		return "", err
	}
	virtual, slot := at&1 != 0, at&^1
	if strings.HasPrefix(env.Arch().Name, "arm") {
		virtual, slot, adjust = adjust&1 != 0, at, uint64(int64(adjust)>>1)
	}
	text := ""
	switch {
	case virtual:
		text, err = virtualName(ctx, env, t, slot)
	case at == 0:
		return addressText(0, env.Arch(), f), nil
	default:
		if text = bareSymbol(env, ctx, arch.Addr(at)); text == "" {
			text = codeText(ctx, env, arch.Addr(at), f)
		} else {
			text = "&" + text
		}
	}
	if err == nil && adjust != 0 {
		text += fmt.Sprintf(", this adjusted by %d", int64(adjust))
	}
	return text, err
}

// bareSymbol is the function that begins at a, without its module; "" for none.
func bareSymbol(env Env, ctx context.Context, a arch.Addr) string {
	name := env.Symbol(ctx, a)
	if i := strings.IndexByte(name, '!'); i >= 0 && !strings.ContainsAny(name[:i], "<( ") {
		name = name[i+1:]
	}
	if i := strings.LastIndex(name, "+0x"); i >= 0 {
		return ""
	}
	return name
}

// virtualName finds the function in slot of the class's vtable, whose first two
// words are before the slots.
func virtualName(ctx context.Context, env Env, t *symbols.Type, slot uint64) (string, error) {
	plain := fmt.Sprintf("virtual function at 0x%x of the vtable", slot)
	if t.Owner == nil {
		return plain, nil
	}
	table, err := env.Address(ctx, "vtable for "+completed(t.Owner).Name)
	if err != nil {
		if retry(err) {
			return "", err
		}
		return plain, nil
	}
	word := languageOf(env.Arch()).named("unsigned long")
	at := table + arch.Addr(2*env.Arch().PtrSize) + arch.Addr(slot)
	p, err := Int(ctx, env, Value{Type: word, Place: InMemory, Addr: at})
	if err != nil {
		if retry(err) {
			return "", err
		}
		return plain, nil
	}
	if name := bareSymbol(env, ctx, arch.Addr(p)); name != "" {
		return "&" + name, nil
	}
	return plain, nil
}

// memberAtOffset names the data member of type want at off of class t; seen counts
// the classes that were looked into.
func memberAtOffset(t, want *symbols.Type, off int64, depth int, seen *int) (string, bool) {
	if *seen++; *seen > maxClasses || depth == 0 || t == nil || !t.IsComposite() {
		return "", false
	}
	for _, f := range t.Members().Fields {
		k := strip(f.Type)
		switch {
		case f.Static || f.Virtual || f.BitSize > 0 || off < f.Offset:
		case f.Base:
			if name, ok := memberAtOffset(completed(f.Type), want, off-f.Offset, depth-1, seen); ok {
				return name, true
			}
		case f.Name == "":
			if name, ok := memberAtOffset(completed(f.Type), want, off-f.Offset, depth-1, seen); ok {
				return joinScope(t.Name, lastName(name)), true
			}
		case f.Offset == off && (k == want || TypeName(k) == TypeName(want)):
			return joinScope(t.Name, f.Name), true
		}
	}
	return "", false
}

func joinScope(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "::" + name
}

// pointerToMember is "&C::m" of a member that needs an object.
func (ev *evaluator) pointerToMember(x node, cause error) (Value, bool) {
	n, ok := x.(*nameNode)
	var ne *NameError
	if !ok || !errors.As(cause, &ne) {
		return Value{}, false
	}
	scope, last := splitScope(n.name)
	if scope == "" {
		return Value{}, false
	}
	t, ok := findType(ev.ctx, ev.env, scope)
	if !ok || !t.IsComposite() {
		return Value{}, false
	}
	path, ok := findMember(completed(t), last, maxBases)
	if !ok {
		return Value{}, false
	}
	off := int64(0)
	for _, f := range path {
		if f.Static || f.Virtual || f.BitSize > 0 {
			return Value{}, false
		}
		off += f.Offset
	}
	to := &symbols.Type{Kind: symbols.MemberPointer, Size: ev.l.ptr, Elem: path[len(path)-1].Type, Owner: t, Language: symbols.CPlusPlus}
	v := Integer(ev.env, "unsigned long", uint64(off))
	v.Type = to
	return v, true
}
