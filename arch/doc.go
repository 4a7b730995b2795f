// Package arch describes CPUs as data: registers, trap instructions, decoding
// and page tables. It imports nothing of this project, so that both targets
// (which speak of registers) and symbols (which speak of DWARF numbers) can
// use it without knowing each other.
//
// # Ladder
//
// A new CPU climbs in this order; each step makes more of the debugger work:
//
//  1. names: an Arch with its register table (names as GDB's target
//     descriptions spell them, sizes, DWARF numbers). Registers show, `r` works.
//  2. trap: the Break bytes and BreakAdvance. Breakpoints work.
//  3. decoding: Decode returns length, kind, branch target and memory operand, in
//     the form WinDbg prints (Inst.Format puts symbols in). `u`, `p`, `t` work; with
//     Taken and EffectiveAddr `r` shows what the next instruction will do.
//  4. unwinding: PC, SP, FP, Link and CalleeSaved name the roles. `k` works.
//  5. page tables: a Paging, for other address spaces of a machine.
//
// What it must not know: wire protocols, operating systems, file formats.
package arch
