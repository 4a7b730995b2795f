// Package elf reads ELF files: headers, segments, sections, notes and symbol
// tables, 32 and 64 bits, either byte order, from a file's bytes or from the
// memory of a process. Nothing is copied and every length is checked against
// the bytes that are there, so a damaged file gives an error or less, never a
// panic. Facts: System V gABI, chapters 4 and 5; the Linux Standard Base for
// GNU notes.
//
// What it must not know: debug formats, symbols.Image, targets.
//
// The ladder: a new table is a file that reads it from a section's or a segment's bytes.
package elf
