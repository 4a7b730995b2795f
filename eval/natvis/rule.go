package natvis

import "dap-windbg/eval"

// rule is a Type element.
type rule struct {
	names      []alternative
	views      views
	modules    []module // Version; none: any
	display    []display
	strings    []guarded // StringView
	expand     *expand
	pointers   []guarded // SmartPointer
	shell      bool      // SmartPointer without DefaultExpansion
	derived    []guarded // MostDerivedType
	intrinsics map[string]*intrinsic
	file       string
	order      int // of loading
}

// alternative is the Name of a Type or of an AlternativeType in it.
type alternative struct {
	name        typeName
	priority    int
	inheritable bool
}

// views are the IncludeView and ExcludeView attributes.
type views struct{ include, exclude []string }

func (v views) allow(view string) bool {
	has := func(list []string) bool {
		for _, s := range list {
			if s == view {
				return true
			}
		}
		return false
	}
	return (len(v.include) == 0 || has(v.include)) && !has(v.exclude)
}

// guard is what decides whether an element counts: its condition, views and module.
type guard struct {
	cond     *code
	optional bool
	views    views
	module   *module
}

// display is a DisplayString: literal texts and expressions in turn.
type display struct {
	guard
	parts []part
}

type part struct {
	text string
	code *code
}

type expand struct {
	hideRaw bool
	items   []item
}

// item is one element of Expand.
type item struct {
	guard
	kind    string // the element's name
	name    []part
	code    *code // Item, ExpandedItem, ValuePointer, Exec
	nodes   []node
	size    []guarded
	head    *code
	next    *code // NextPointer, LeftPointer
	right   *code
	rank    *code
	lower   *code
	back    bool // Direction Backward
	display []display
	strings []guarded // of Synthetic
	kids    []item    // Synthetic, Loop, If ...
	vars    []variable
	program []op // of CustomListItems
	skip    []op // of its Skip
	skipVar string
	max     int
}

// node is a ValueNode or ValuePointer with its condition and name.
type node struct {
	guard
	name []part
	code *code
}

// guarded is an expression that counts under a condition: a Size, a SmartPointer.
type guarded struct {
	guard
	code *code
}

type variable struct {
	name string
	init *code
}

type intrinsic struct {
	params   []param
	code     *code
	result   *code // conversion of "it" to ReturnType, nil: as it comes
	optional bool
}

// param is a parameter of an intrinsic; cast converts the argument to its type.
type param struct {
	name string
	cast *code
}

// code is an expression with its format. "$T1" has become a name in it that the
// scope knows as a type or as a number.
type code struct {
	src    string
	format eval.Format
	expr   eval.Expr
}
