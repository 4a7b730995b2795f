// Package dbgsrv is the process server: it lists the processes of its machine, and for
// each debuggee of a client it runs a debug stub (gdbserver, or lldb-server) and relays
// the GDB remote protocol between the two. It has no session and no symbols; it looks
// at what passes only as far as it must know which processes are held, how to part
// from them when the client vanishes, and what the stub cannot be trusted with.
//
// What it does not promise: a client may do whatever the server's user may do. That is
// what debugging is; who connects is decided in transport.
//
// It must not know launch or engine. The ladder: something new to give to clients is a
// row of kinds in server.go.
package dbgsrv
