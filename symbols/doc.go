// Package symbols is the vocabulary for what things are called: images and
// their names, lines, scopes, types, locations and unwind rules. Readers are in
// subpackages: elf (headers, symbol table and the Image that joins the rest),
// dwarf, cfi, store (finding files), pe (images for Windows) and pdb.
//
// An Image is immutable once opened and safe for many goroutines. It speaks in
// Offsets from the image's base and reads target memory only through Memory,
// so that a core dump feeds it as well as a live process. Only engine.Module
// turns an Offset into an arch.Addr.
//
// Readers are pure over the stop's cache: a Memory whose page is missing
// returns *NeedError; the reader passes it on (or treats the value as
// unavailable and goes on), the engine fetches all the misses in one flight and
// runs the reader again. So a reader keeps no state between calls that depends
// on target memory.
//
// # Ladder
//
// A new debug format climbs:
//
//  1. names: Image (Key, At, Lookup). `x`, `ln`, bp by name.
//  2. lines: Liner. Source, breakpoints by line, stepping by line.
//  3. scopes: Scoper. Locals, inlined calls.
//  4. types: Typer. `dt`, `dx`.
//  5. unwinding: Unwinder.
//
// What it must not know: targets, the engine, how anything is printed.
package symbols
