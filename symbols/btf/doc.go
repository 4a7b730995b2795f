// Package btf reads the BPF Type Format, in which Linux kernels carry the types of
// their C code in their own memory (between __start_BTF and __stop_BTF, and for each
// module in struct module's btf_data), so that structures are known without a
// vmlinux that has debug information. Source: Documentation/bpf/btf.rst and
// include/uapi/linux/btf.h of Linux.
//
// The text has types, functions' types and, in most kernels, the per-CPU variables;
// it has no lines, locals or places. Types become symbols.Type on first use.
//
// # Ladder
//
// A new kind is a row in sizes and a case in make; a kind nobody knows ends the
// reading with an error, since the length of what follows it is unknown.
//
// What it must not know: ELF, targets, the engine.
package btf
