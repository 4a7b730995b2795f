// Package targets is the vocabulary in which everything above speaks to a
// debuggee: what all can do is Target, what some can do is one small interface
// each. The protocols live in subpackages: rsp (GDB remote protocol), kd
// (Windows kernel debugger protocol), kdb (the text console of Linux's kdb); image
// is a file that nobody runs, with memory and modules and no threads; core is what
// a process left behind.
//
// What a protocol does not promise, nobody above may assume. There are two
// grades of "cannot": a target that does not implement an optional interface has
// no word for it; errors.ErrUnsupported means that this far end does not do it.
// Nothing asks a Target for its class, and a Target is never wrapped, for a
// wrapper hides optional interfaces.
//
// # Ladder
//
// A new protocol is a folder here and one line in launch. It climbs:
//
//  1. read: Target. Registers, memory and threads can be looked at (cores stop here).
//  2. run: Runner. Resume, Interrupt, and Events with their Stops.
//  3. write: Writer. Memory and registers change.
//  4. traps: Trapper. Else the engine patches Arch.Break through Writer.
//  5. flights: Batcher, when the protocol lets several requests travel together.
//  6. extras: ModuleLister, Anchorer, Console, Files, Queryer, Link, one at a time;
//     Postmortem for what stays on the first rung.
//
// At each step targettest.Run shows that the rung holds: connect, registers,
// memory, trap, step, stop.
//
// # Events
//
// If the debuggee waits for us it is a Stop, and Reason says why. Whoever calls
// Resume gets exactly one Stop or Gone for it; a Resume that returns an error
// gets none, and the debuggee waits (it may have moved). The first event of a
// Runner whose debuggee waits is a Stop with Reason Initial. A Target absorbs its protocol's
// echoes: an interrupt crossing a breakpoint on the wire yields one Stop.
//
// # Concurrency
//
// One goroutine, the engine's loop, calls a Target's methods; Events may be
// drained from anywhere. Every method takes a context: when it is cancelled the
// method returns at once and the Target drops the late reply, so that the wire
// stays in step. A Target takes an io.ReadWriteCloser, never an address.
//
// What it must not know: symbols, the engine, configuration, how anything is shown.
package targets
