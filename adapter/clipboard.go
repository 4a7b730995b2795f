package adapter

import (
	"context"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// Bounds of what is copied: how deep, and how many values in all.
const (
	copyDepth  = 8
	copyValues = 2000
	copyString = 4 << 20 // characters
)

// copied is an object as the clipboard wants it: a string whole and without quotes,
// a class or an array with all that is in it.
func (v *inspection) copied(f *engine.Frame, o *eval.Object, hex bool) (string, error) {
	if o.Whole != nil {
		text := ""
		err := v.Gather(v.ctx, func(ctx context.Context, mem symbols.Memory) (err error) {
			text, err = o.Whole(ctx, v.EnvOver(f, mem))
			return err
		})
		return text, err
	}
	// Each read leads to the next: gathered, all would be done again for each.
	if text, ok, err := eval.Characters(v.ctx, v.Env(f), o.Value, copyString); ok && err == nil {
		return text, nil
	}
	var b strings.Builder
	left := copyValues
	v.copyInto(&b, f, o, hex, copyDepth, &left)
	return b.String(), v.ctx.Err()
}

func (v *inspection) copyInto(b *strings.Builder, f *engine.Frame, o *eval.Object, hex bool, depth int, left *int) {
	pointer := o.Value.Type != nil && o.Value.Type.IsPointer()
	if *left--; o.Leaf() || pointer || depth == 0 || *left <= 0 {
		b.WriteString(v.text(f, o, hex))
		return
	}
	children, err := v.Children(v.ctx, f, o, 0, *left)
	if err != nil {
		b.WriteString("<" + err.Error() + ">")
		return
	}
	b.WriteByte('{')
	for i, c := range children {
		if c.Name == rawView {
			continue
		}
		if i > 0 {
			b.WriteString(", ")
		}
		if *left <= 0 || v.ctx.Err() != nil {
			b.WriteString("...")
			break
		}
		if element := strings.HasPrefix(c.Name, "[") && !c.Keyed && i >= o.Named; !element {
			b.WriteString(c.Name + " = ")
		}
		v.copyInto(b, f, c, hex, depth-1, left)
	}
	b.WriteByte('}')
}
