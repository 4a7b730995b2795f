// Package sim is a machine with a Windows-like kernel in it that is debugged over
// KD, for tests: an independent second end of the protocol.
//
// The kernel is compiled at test time from guest/ into real PE images with PDBs,
// and runs on an interpreter of x86-64 over page tables; the debugger's end of
// KD is written from the protocol's description alone. Nothing here imports the
// debugger or shares a constant with it, so that an error in one is no error in
// the other.
//
// It is nasty on purpose: unused fields hold garbage, a running machine throws
// away what is no break-in, and all that a line can do to bytes can be done.
package sim
