package linuxkernel

import (
	"context"
	"iter"
	"sort"

	"dap-windbg/arch"
	"dap-windbg/symbols"
)

// Names is an image that lies in memory only: the names that the kernel keeps of
// itself or of a module. What more the kernel keeps (call frames, types) is embedded
// where it was found.
type Names struct {
	key    symbols.Key
	base   uint64
	size   uint64
	places *kallsyms
	from   string // what Path says
	symbols.Unwinder
	symbols.Typer
}

var _ symbols.Image = (*Names)(nil)

// newNames makes an image at base out of a table.
func newNames(key symbols.Key, base, size uint64, table *kallsyms, from string) *Names {
	n := &Names{key: key, base: base, size: size, places: table, from: from}
	n.Unwinder, n.Typer = noUnwind{}, noTypes{}
	return n
}

func (n *Names) Key() symbols.Key         { return n.key }
func (n *Names) Arch() *arch.Arch         { return arch.AMD64 }
func (n *Names) Path() string             { return n.from }
func (n *Names) Debug() symbols.DebugKind { return symbols.Exports }
func (n *Names) Size() uint64             { return n.size }
func (n *Names) LinkBase() uint64         { return n.base }
func (n *Names) Entry() symbols.Offset    { return 0 }
func (n *Names) Close() error             { return nil }

// ReadStatic has nothing: there is no file.
func (n *Names) ReadStatic(symbols.Offset, []byte) bool { return false }

// symbol i of the table.
func (n *Names) symbol(i int) symbols.Symbol {
	k := n.places
	s := symbols.Symbol{Name: k.names[i], Offset: symbols.Offset(k.addresses[i] - n.base), Public: true, Kind: symbols.Data}
	switch k.kinds[i] {
	case 't', 'T', 'w', 'W':
		s.Kind = symbols.Function
	}
	s.Global = k.kinds[i] < 'a'
	for j := i + 1; j < len(k.addresses); j++ {
		if d := k.addresses[j] - k.addresses[i]; d > 0 {
			s.Size = d
			break
		}
	}
	return s
}

// above is the first symbol that lies above off.
func (n *Names) above(off symbols.Offset) int {
	a := n.base + uint64(off)
	return sort.Search(len(n.places.addresses), func(i int) bool { return n.places.addresses[i] > a })
}

// At implements symbols.Image. Of several names of a place the first global one counts.
func (n *Names) At(off symbols.Offset) (symbols.Symbol, bool) {
	i := n.above(off) - 1
	if i < 0 || n.places.addresses[i] < n.base {
		return symbols.Symbol{}, false
	}
	best := i
	for j := i; j >= 0 && n.places.addresses[j] == n.places.addresses[i]; j-- {
		if n.places.names[j] != "" && (n.places.kinds[best] >= 'a' || n.places.kinds[j] < 'a') {
			best = j
		}
	}
	return n.symbol(best), true
}

// Next implements symbols.Image.
func (n *Names) Next(off symbols.Offset) (symbols.Symbol, bool) {
	i := n.above(off)
	if i == len(n.places.addresses) {
		return symbols.Symbol{}, false
	}
	return n.symbol(i), true
}

// Lookup implements symbols.Image.
func (n *Names) Lookup(pattern string) iter.Seq[symbols.Symbol] {
	return func(yield func(symbols.Symbol) bool) {
		if i, ok := n.places.byName[pattern]; ok {
			for more := true; more; more = i != 0 {
				if !yield(n.symbol(int(i))) {
					return
				}
				i = n.places.same[i]
			}
			return
		}
		for _, fold := range []bool{false, true} {
			p, found := symbols.CompilePattern(pattern, fold), false
			for i, name := range n.places.names {
				if name == "" || !p.Match(name) {
					continue
				}
				if found = true; !yield(n.symbol(i)) {
					return
				}
			}
			if found {
				return
			}
		}
	}
}

// Rules implements symbols.UnwindRules.
func (n *Names) Rules(off symbols.Offset) (over symbols.Range, rules []string, err error) {
	if r, ok := n.Unwinder.(symbols.UnwindRules); ok {
		return r.Rules(off)
	}
	return over, nil, symbols.ErrNoUnwind
}

// noUnwind knows no frames.
type noUnwind struct{}

func (noUnwind) Unwind(context.Context, arch.Addr, *arch.Registers, symbols.Memory) (*arch.Registers, arch.Addr, error) {
	return nil, 0, symbols.ErrNoUnwind
}

// noTypes knows no types.
type noTypes struct{}

func (noTypes) Type(string) (*symbols.Type, bool)                { return nil, false }
func (noTypes) Types(string) iter.Seq[string]                    { return func(func(string) bool) {} }
func (noTypes) Global(string) (symbols.Variable, bool)           { return symbols.Variable{}, false }
func (noTypes) GlobalAt(symbols.Offset) (symbols.Variable, bool) { return symbols.Variable{}, false }
func (noTypes) Function(symbols.Offset) (*symbols.Type, bool)    { return nil, false }
