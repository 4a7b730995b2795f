// Package console is the terminal front end: `dap-windbg cdb` with cdb's own
// options, on a terminal or through pipes, and `dap-windbg run`, the same
// without anybody there. It reads lines, hands them to a windbg.Interpreter and
// shows what comes of it in the order it happened.
//
// # Ladder
//
// A new option of cdb is a row in options.go.
//
// What it must not know: DAP, protocols, how commands work.
package console
