// Package linux knows user processes of Linux: which images are mapped
// (modules.go, linkmap.go), where that list changes (watch.go), what signals,
// their details and error numbers mean (signals.go, siginfo.go, errno.go), and
// where a thread's own variables lie (tls.go).
//
// What reads the debuggee follows the rule of symbols.NeedError: it asks for all
// it can name before it gives up, and starts again when it is called again. The
// tables and decoders are pure.
//
// # Ladder
//
// A C library other than glibc and musl climbs: its loader's symbol in Watch, its
// layout of thread-local storage in tls.go. A CPU: its thread pointer in tls.go.
//
// What it must not know: wire protocols, the engine, commands.
package linux
