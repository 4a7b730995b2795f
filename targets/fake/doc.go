// Package fake is a small debuggee in memory, for tests of what stands above
// package targets. It is a process of amd64 threads that run a program of real
// instructions, with traps, modules that come while it runs, output, signals and
// an end; and it can be made to be late, to fail and to die.
//
// It behaves as a strict far end does: a resume on a planted trap springs it at
// once (whoever resumes must step off first), traps do not show in memory, and
// while it runs it answers nothing but an interrupt.
//
// It must not know any protocol, and shares no code with one.
//
// # Ladder
//
// A new instruction is a case in the CPU (cpu.go), a new event of a program's
// life a field of Options, a new interface a file.
package fake
