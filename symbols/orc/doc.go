// Package orc reads the unwind tables that Linux kernels for x86-64 carry in
// their image, .orc_unwind_ip and .orc_unwind, and turns them into a
// symbols.Unwinder. They cover what call frame information does not: entry code
// in assembly, and modules without debug information.
//
// An Unwinder has the tables as a whole, a Remote reads what it needs of those in a
// kernel's memory.
//
// The format is the kernel's own affair and changes; layout.go lists the forms
// there have been and how they are told apart.
//
// # Ladder
//
// A new layout is a row in layouts, and in headers with the hash that
// scripts/orc_hash.sh of that kernel prints. An architecture other than x86-64
// needs its own registers and frame of saved registers.
//
// What it must not know: ELF, targets, the engine.
package orc
