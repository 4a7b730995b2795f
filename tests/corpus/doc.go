// Package corpus compares everything that an Image says (symbols, functions,
// rows of line programs, layouts of types, scopes) with what other programs read
// from the same files: llvm-dwarfdump, nm and gdb. The files are small programs in
// all languages, built by all compilers in all ways that debug information is
// written, the C library of the system, and, when HEAVY is set, the kernel.
//
// The built programs are kept in the user's cache directory, by the hash of what
// they are made from.
package corpus
