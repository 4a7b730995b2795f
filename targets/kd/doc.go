// Package kd speaks the Windows kernel debugger protocol over a byte stream: a
// serial line, a pipe, a TCP socket. Layouts and behaviour are those of public
// kernels (ReactOS), of Microsoft's published headers and of recordings of a
// live target.
//
// What the protocol does not promise:
//
//   - That a running target hears anything: it looks at one byte a clock tick
//     and throws away what is no break-in. So nothing but break-ins and, while
//     connecting, resets are sent to it, and nobody waits for an answer to them
//     without a deadline.
//   - That a request is answered: continuing, rebooting and switching processor
//     are only acknowledged, and a target that asks a question (DbgPrompt)
//     acknowledges requests and drops them.
//   - That what arrives is what was asked for: prints, load reports and file
//     requests come at any moment and each must be acknowledged at once.
//   - That a state change is news: it is repeated after a reset and after a
//     break-in sent to a stopped target, and that break-in is remembered.
//   - That a breakpoint stays: the target removes those within 16 bytes of where
//     it stops, and their handles are dead.
//   - That unused fields are zero, or that echoed ones are what was sent.
//   - That a packet's type and number are what was sent: checksums do not cover them.
//   - That it knows of us: one that got no acknowledgement for a while runs on without a
//     debugger, and begins its numbers anew when it is broken into.
//   - That the line is clean: one through a terminal writes CR LF for LF, which
//     damages the same packet in the same way for ever.
//
// The package must not know processes, modules or symbols of Windows; it tells
// the addresses to start from (Anchors), and package systems walks.
//
// # Ladder
//
// framing (frame.go, crlf.go; kdnet.go for datagrams) → stop-and-wait (link.go, ids.go),
// what comes (inbound.go) and what does not (recover.go) →
// layouts as data (layout.go) → connecting and state changes (target.go,
// stop.go) → memory, registers, traps, running. Another CPU is a row of the
// layout tables.
package kd
