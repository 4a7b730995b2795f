// Package wire holds what every protocol over a byte stream needs and none
// owns: the mailbox events wait in, the trace of a wire, and the replay of one.
//
// A trace is text, one message a line:
//
//	DIRECTION SECONDS FLIGHT "TEXT"
//	> 0.000012 1 "$?#3f"
//	< 0.000190 1 "$S05#b8"
//
// DIRECTION is > towards the far end and < from it, SECONDS count from the
// trace's start, FLIGHT is the number of the flight the message belongs to (0:
// none, such as an acknowledgement), TEXT is quoted as Go quotes strings. Empty
// lines and lines starting with # are comments. A trace file is a replay
// fixture: what a user reports becomes a test by being put into testdata.
//
// The package must not know any protocol; what it needs of one it is given
// (Dialect).
//
// # Ladder
//
// A protocol traces its messages (Trace.Message, or Trace.Wrap when it has no
// flights), its tests replay them (Replay checks both directions in order,
// Respond answers each request from what was recorded), and RoundTrips counts.
package wire
