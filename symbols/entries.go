package symbols

// Entry is one debugging information entry as it is written, for people who look at
// the debug information itself.
type Entry struct {
	Offset   uint64 // in .debug_info
	Tag      string // "DW_TAG_subprogram"
	Attrs    []EntryAttr
	Children bool
}

// EntryAttr is an attribute of an Entry with its value in words.
type EntryAttr struct{ Name, Text string }

// Entries is an Image that shows its entries.
type Entries interface {
	DebugEntry(off uint64) (Entry, bool)
	// EntryChildren lists the entries directly below one, at most limit.
	EntryChildren(off uint64, limit int) []uint64
	// EntryParents lists the entries around one, the innermost first.
	EntryParents(off uint64) []uint64
	// EntryAt is the entry of the function or variable that covers off.
	EntryAt(off Offset) (uint64, bool)
}

// UnwindRules is an Image that shows how its frames are unwound.
type UnwindRules interface {
	// Rules are those at off, one a line, and the code they belong to.
	Rules(off Offset) (over Range, rules []string, err error)
}
