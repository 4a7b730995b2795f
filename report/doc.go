// Package report tells what became of a program that ran with nobody there: Collect
// looks at a crashed or hung process and says what happened, and the writers put
// that down as text for people, as JSON (docs/report.schema.json), as JUnit XML and
// as annotations of GitHub.
//
// # Ladder
//
//   - another kind of crash: a row in diagnosis.go and a function that tells it.
//   - another form: a function over Run, beside junit.go.
//
// Everything has its limit (limits.go), and what was left out is said. Text that a
// program made is never trusted: it may be of any bytes (clean.go).
//
// What it must not know: DAP, the command language, how a debuggee is reached.
package report
