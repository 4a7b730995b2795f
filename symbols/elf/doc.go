// Package elf opens ELF images and their separate debug files, and joins what
// tells their names: the symbol tables, PLT entries and DWARF. The Image it
// makes implements symbols.Image, Liner, Scoper, Typer and Unwinder; without
// debug information the last four answer nothing.
//
// Opening maps the file and reads its headers, no more. Every table is read on
// first use and then never changes. Names of C++ and Rust are demangled only
// when shown or matched.
//
// What it must not know: where files are found (symbols/store), unwind rules
// (symbols/cfi, which it is given), targets.
//
// The ladder: a new source of names is a part of Image, read on first use and joined with
// the others where they are asked.
package elf
