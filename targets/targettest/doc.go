// Package targettest is the one conformance suite all targets pass: fake,
// replayed and real ones. Run climbs the ladder of package targets rung by rung,
// each on a debuggee opened afresh, and holds the target to what the vocabulary
// promises and those above rely on.
//
// A target says which rungs it has and gives a few facts about its debuggee
// (Subject): where memory is known, where none is, which instruction runs again
// and again. Facts it leaves zero are not tested for.
//
// The package must not know any protocol.
//
// # Ladder
//
// A new promise of the vocabulary is a row in the table of rungs, with a
// function that provokes it.
package targettest
