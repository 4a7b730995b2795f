// Package image is a target that is a file: an executable, a library or a
// kernel as its file has it, laid out in memory as a loader would, with no
// debuggee behind it. It has memory and one module; it has no threads and no
// registers, and it cannot run.
//
// The image lies where its file wants to. A position independent ELF file wants
// nothing: it lies where Linux puts a program without address randomisation, so
// that a null pointer in its data is no address of its own. Relocations that need nothing
// but the image itself are applied, so that pointers in static data are right;
// what another image would fill in is as the file has it.
//
// Opening maps the file and reads its headers. Relocations are read when memory
// is.
//
// What it must not know: symbols, the engine, where files are found.
//
// The ladder: a new format of images is a file beside elf.go and pe.go that lays one out.
package image
