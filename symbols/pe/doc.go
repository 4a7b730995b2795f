// Package pe opens Portable Executable images and joins what tells their names:
// the COFF symbol table, exports and imports, and DWARF as MinGW's compilers
// write it, or a PDB. The Image it makes implements symbols.Image, Liner, Scoper, Typer and
// Unwinder; without debug information the middle three answer nothing.
//
// Opening maps the file and reads its headers. Every table is read on first use
// and then never changes. Debug information is DWARF of its own or a PDB (debug.go).
//
// What it must not know: where files are found (symbols/store), DWARF's unwind
// rules (symbols/cfi, which it is given), targets.
//
// The ladder: a new form of debug information is a case in debug.go.
package pe
