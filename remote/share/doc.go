// Package share lets several people take part in one debug session: editors and
// command windows, here and elsewhere. The session belongs to the front end that began
// it; the others are guests, who join over a transport and leave when they like.
//
// # What there is once
//
// One command interpreter: lines are run one after the other, whoever typed them, and
// what they print goes to everybody. One coming to each stop: its breakpoints' commands
// run once and what a console shows of it is shown to all. One order of what happens:
// each seat hears events and text in the order in which they came about.
//
// # What a guest cannot do
//
// Hold anybody up: what is for it waits in a buffer, and when that is full it is let go.
// Take anything along: what it has set stays. End the session by leaving it.
//
// # Ladder
//
//   - a new kind of front end: a kind of stream (server.go), and a Seat for it.
//   - a new message of command windows: a row in wire.go.
//
// What it must not know: DAP, terminals, configuration; those are handed in.
package share
