package engine

import "dap-windbg/symbols"

// scopeMemo keeps an image's answers about places: a step asks for the same few
// many times. Whoever gets scopes must not change them.
type scopeMemo struct {
	image symbols.Image
	at    map[symbols.Offset][]symbols.Scope
}

// maxScopes bounds the places kept for one image.
const maxScopes = 1024

// scopes are the functions at off, innermost inlined call first; none when the
// image does not know.
func (m *Module) scopes(off symbols.Offset) []symbols.Scope {
	sc, ok := m.Image.(symbols.Scoper)
	if !ok {
		return nil
	}
	if m.known.image != m.Image || len(m.known.at) >= maxScopes {
		m.known = scopeMemo{m.Image, map[symbols.Offset][]symbols.Scope{}}
	}
	if s, ok := m.known.at[off]; ok {
		return s
	}
	s, err := sc.Scopes(off)
	if err != nil {
		return nil
	}
	m.known.at[off] = s
	return s
}
