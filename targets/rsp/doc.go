// Package rsp speaks the GDB remote protocol as a client, over any
// io.ReadWriteCloser, and shows the far end as a targets.Target.
//
// What the protocol does not promise: that a packet is known (an empty answer
// means it is not), that registers arrive in any order but the target
// description's, that a stop says why, that the first packet received answers
// the first one sent (QEMU reports its stop unasked), that the far end listens
// while the debuggee runs (GNU gdbserver loses a byte of anything but 0x03).
//
// The primitive is a flight: requests that leave in one write and whose replies
// come back in order. A far end that cannot do without acknowledgements is asked
// one request at a time, each acknowledgement travelling with the next request.
// One goroutine reads and sorts replies from events, one writes; both end with
// the connection. While an all-stop debuggee runs nothing is sent but 0x03.
//
// The package must not know operating systems beyond signal numbers, symbols,
// nor what the user asked for.
//
// # Ladder
//
// A stub with a peculiarity climbs: framing (frame.go), flights (conn.go, receive.go),
// start-up (connect.go, describe.go), reading (batch.go, memory.go,
// registers.go), running (run.go, stops.go), then the extras, a file each. Facts
// about one make of stub are rows of the table in describe.go.
package rsp
