// Package linuxkernel knows the Linux kernel of a whole machine: where it lies
// (find.go), what its functions are called when nobody has its vmlinux
// (kallsyms.go, names.go; over a slow line ownnames.go, ownplace.go), which modules
// are loaded (modules.go) and which tasks there are (tasks.go).
//
// Everything is a read of memory, the name of a structure's field and a symbol;
// whether QEMU, kgdb or a text console serves the memory does not matter. What is
// read through a *reader follows the rule of symbols.NeedError: all that can be
// named is asked for before it gives up, and it is called again.
//
// # Ladder
//
// A new kernel version climbs: the fields it has (a row where a field moved), the
// order of its symbol tables in kallsyms.go, where it keeps a module's memory in
// modules.go. A CPU: its interrupt table and page tables in find.go, what a
// switched-out task leaves on its stack in tasks.go.
//
// What it must not know: wire protocols, the engine, the command language.
package linuxkernel
