// Package launch turns what a person wrote (a launch configuration, a
// connection string, cdb's options) into a Plan, and a Plan into a running
// Debugger. It is the composition root: alone here the concrete targets,
// systems and symbol readers are known, and nothing else reads configuration.
//
// # Ladder
//
//   - a new setting: one row in the field table; the reference page and the
//     extension's schema are generated from it.
//   - a new transport for an old protocol: one case in dial.
//   - a new protocol: one row in the protocol table.
//
// What it must not know: DAP messages, command text, how anything is printed.
package launch
