// Package systems is the vocabulary for what runs on a target: modules, tasks
// and saved registers, as functions over memory, registers and types. Each
// operating system is a subpackage: linux (user processes), linuxkernel,
// winkernel, winuser.
//
// # Ladder
//
//  1. Modules: which images lie where.
//  2. Watch: where that list changes.
//  3. Tasks: processes and threads the OS knows, on a CPU or not.
//  4. Registers: of a task switched out.
//
// What it must not know: wire protocols, the engine, commands.
package systems
