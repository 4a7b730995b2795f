package engine

// Member is one of the processes that a command line has at the same time. Their
// sessions share a wire (targets.Link): each runs and waits by itself, and the stop of
// one holds up the others only where Options.Together says so.
type Member struct {
	Ordinal int // never reused in a debug session
	Session *Session
	Present bool // commands are about it
}
