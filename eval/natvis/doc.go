// Package natvis is visualisers as data: it reads NatVis files, the format of
// Visual Studio and WinDbg, and turns values into eval.Objects by their rules.
// The containers of libstdc++ and libc++ are described in embedded files; a
// file of the user's comes before them.
//
// A rule's expressions are evaluated in the object, whose members are plain
// names there; "$T1" is what the first wildcard of the rule's type name matched.
// A rule that does not fit the object (a member it names is not there) is left
// for the next one, so one type may have a rule for each version of a library.
//
// SmartPointer and the list elements also tell expressions what *, -> and []
// yield. A SmartPointer that is null is empty; a Size of -1 says that the object
// is not intact.
//
// Read and not used: StringView, Version, UIVisualizer, HResult,
// LocalizedStrings. A rule never writes to the debuggee and never calls it.
//
// # Ladder
//
// A new container climbs: a Type element in a .natvis file, a value of it in
// the test program, a line in the golden.
//
// What it must not know: targets, the engine, where files are found.
package natvis
