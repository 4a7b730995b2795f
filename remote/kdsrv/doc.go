// Package kdsrv is the KD connection server: it gives the lines of its machine (serial
// ports, pseudo terminals, pipes, sockets) to debuggers elsewhere. It knows packets,
// not debugging: symbols, commands and decisions are the client's.
//
// A client opens a stream of the kind "line" with a Request. From then on both sides
// send frames: a byte that says what it is, a length of two bytes (big-endian), and
// that many bytes. Lines to Windows kernels are passed on packet by packet, because a
// network that holds back a part of one would run into the target's timeouts; others
// byte by byte.
//
// What it promises: one client a line, and a line that went away is opened again and
// both are told. What it does not: that the far end of the line is there.
//
// It must not know symbols, engine or launch. The ladder: a new kind of line is line's; a
// new message of the two sides is a kind of frame in frame.go.
package kdsrv
