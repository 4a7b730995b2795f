// Package pdb reads program databases, the debug information of Windows images:
// the MSF container, the tables of modules, names and types, and the symbols and
// lines of each module. It answers the questions of symbols.Liner, Scoper and
// Typer, and those of names, from as little of the file as suffices:
//
//   - a name from the hash tables of globals and publics;
//   - an address's module from the section contributions, its functions from the
//     module's own stream, read once;
//   - lines from the line tables of one module;
//   - types by number through the index that the file has of them, by name
//     through the file's own hashes.
//
// Nothing is trusted: block numbers, lengths and counts are checked against the
// file before anything is allocated, and a damaged part gives less.
//
// Facts: Microsoft's microsoft-pdb (cvinfo.h) and LLVM's "The PDB File Format",
// whose words for things are used.
//
// What it must not know: PE, where files lie, how anything is printed.
//
// # Ladder
//
// container (msf.go) → identity and named streams (info.go) → modules, addresses
// and sections (dbi.go) → hashes of names (gsi.go) → symbols of a module
// (record.go, module.go) → names (names.go) → lines (lines.go) and inline sites
// (inline.go) → breakpoint places (places.go) → scopes (scopes.go) and locations
// (location.go) → types (tpi.go, types.go, members.go) → frames of i386
// (framedata.go).
package pdb
