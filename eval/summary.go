package eval

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"dap-windbg/symbols"
)

// summary is how many members or elements a composite's one line shows.
const summary = 8

// structText is the line for a class: nothing in DX, "struct T" in DT, members in Plain.
func (m *Model) structText(ctx context.Context, env Env, v Value, t *symbols.Type, f Format) (string, error) {
	switch f.Style {
	case DX:
		return "", nil
	case DT:
		word := map[symbols.TypeKind]string{symbols.Struct: "struct ", symbols.Class: "class ", symbols.Union: "union "}[t.Kind]
		return word + TypeName(t), nil
	}
	slots := layout(completed(t), 0, maxBases)
	v, err := preload(ctx, env, v)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, s := range slots {
		fd := s.field()
		if k := strip(fd.Type); fd.Base || fd.Static || !isScalar(k) || k.IsPointer() {
			continue
		}
		if len(parts) == summary {
			parts = append(parts, "...")
			break
		}
		fv, err := descend(ctx, env, v, s.path)
		if err == nil {
			var text string
			if text, err = m.plainText(ctx, env, fv, Format{Style: Plain, Radix: f.Radix}); err == nil {
				parts = append(parts, fd.Name+"="+text)
				continue
			}
		}
		if retry(err) {
			return "", err
		}
		parts = append(parts, fmt.Sprintf("%s=<%v>", fd.Name, err))
	}
	if len(parts) == 0 {
		return "{...}", nil
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}

// elements is the line for an array of anything but characters.
func (m *Model) elements(ctx context.Context, env Env, v Value, t *symbols.Type, f Format) (string, error) {
	n := t.Count
	if f.Length > 0 {
		n = int64(f.Length)
	}
	k := strip(elem(t))
	switch {
	case f.Style != Plain:
		return "", nil
	case n < 0 || !isScalar(k) || k.Kind == symbols.Pointer:
		return "[" + strconv.FormatInt(max(n, 0), 10) + "]", nil
	}
	var parts []string
	shown := min(n, summary)
	if v.Bytes == nil && v.Place == InMemory {
		v.Type = arrayOf(elem(t), shown)
		b, err := Fetch(ctx, env, v)
		if err != nil {
			return "", err
		}
		v.Bytes = b
	}
	for i := range shown {
		e, err := element(ctx, env, v, i)
		if err != nil {
			return "", err
		}
		text, err := m.plainText(ctx, env, e, Format{Style: Plain, Radix: f.Radix})
		if err != nil {
			return "", err
		}
		parts = append(parts, text)
	}
	if n > shown {
		parts = append(parts, "...")
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}
