// Package kdlines runs the debugger's end of KD against the simulated machine over
// lines that lose, change, repeat and invent bytes, on virtual time: every line with
// finitely many faults must end in the debugger state that a clean line gives.
package kdlines
