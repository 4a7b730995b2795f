// Package dwarf reads DWARF debugging information, versions 2 to 5 (4 and 5
// first), 32 and 64 bits, straight from the mapped sections. It answers the
// questions of symbols.Liner, Scoper and Typer from the smallest section that
// suffices:
//
//   - an address's unit from .debug_aranges or the units' own ranges;
//   - lines from one unit's line program (kept in a bounded cache);
//   - scopes from one scan of the unit and the one function entry;
//   - names of types and globals from one scan of everything, made on first
//     need by all cores and kept as entries without pointers.
//
// Nothing is trusted: every length and offset is checked against the section,
// and a damaged part gives less, never a panic.
//
// Addresses inside the package are link-time addresses; symbols.Offset is that
// minus Options.Base. Facts: the DWARF standards 2 to 5; GNU extensions from
// the GCC wiki pages on entry values, call sites and TLS.
//
// What it must not know: ELF, files, targets, how anything is printed.
//
// # Ladder
//
// units and abbreviations (unit.go, abbrev.go) → attributes (die.go) → ranges
// (ranges.go) → lines (line.go, lines.go) and which units name a file (sieve.go)
// → functions and scopes of a unit (scan.go) → names of all units (skim.go,
// collect.go, complete.go, index.go), and names before those are there
// (bystring.go, linked.go) → scopes (scopes.go) → breakpoint places (places.go) → types and globals
// (types.go, members.go, globals.go) → locations (loc.go, expr.go, ops.go,
// arith.go, float.go; what a caller passed, entry.go).
//
// The debug information of one image may lie in several files, which Options.Open
// finds: split units (split.go) in files of their own or in a package (dwp.go),
// and what several images share (supplement.go). All DIEs have a place on one line
// (data.go), so that nobody else need know. The macros that code sees are read from
// the preprocessor's log (macro.go).
package dwarf
