// Package windbg is WinDbg's command language: line splitting, command tables
// and text like WinDbg's. It takes a line and an io.Writer and drives the same
// engine.Session as an editor. Terminal, debug console, shared session and CI go
// through the same Interpreter and get byte-identical text.
//
// # Ladder
//
//   - a new command: one row in a family's table and one function.
//   - a new family: one table in a file of its own, named in the list in commands.go.
//
// The registry is one visible slice; .help, completion and the reference page
// are printed from it. Aliases, repeats and ; lists belong to the line reader.
//
// What it must not know: DAP, configuration, concrete targets.
package windbg
