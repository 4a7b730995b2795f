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
// Exec waits for stops and runs what was asked to run at them. A front end that
// uses Start learns of stops by their events and calls Arrive with each.
//
// A command that needs a stopped debuggee runs inside the session's loop and is
// given a View; one that runs other commands, or the debuggee, must not.
//
// What it must not know: DAP, configuration, concrete targets.
package windbg
