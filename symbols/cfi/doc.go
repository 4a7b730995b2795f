// Package cfi turns DWARF call frame information into a symbols.Unwinder: the
// sections .eh_frame, .eh_frame_hdr and .debug_frame of one image, in DWARF 2 to
// 5 and in the LSB's dialect, on amd64, i386, arm64 and riscv64.
//
// An unwind is three steps, one file each:
//
//  1. index.go finds the entry (FDE) that covers a pc: .eh_frame_hdr's search
//     table when there is one, else an index made on first use.
//  2. program.go decodes the entry's program; a rower runs it and yields a Row,
//     the rules at that pc. Rowers are delve.go, which hands a normalised program
//     to Delve's frame package, and own.go, for what Delve cannot express.
//  3. apply.go applies the Row to registers and memory; expr.go evaluates the
//     expressions in it.
//
// # Ladder
//
// A new CPU needs its DWARF numbers and CalleeSaved in arch, and a row in constant
// (apply.go) when it has registers that never change within a thread.
//
// What it must not know: ELF, targets, the engine, how images are found.
package cfi
