package symbols

// Call is a call that a function makes, as its debug information records it
// (DW_TAG_call_site).
type Call struct {
	// PC is where the call returns to; of a tail call, which never does, the
	// address behind it. With Exact it is the call instruction itself.
	PC    Offset
	Exact bool
	Tail  bool // the callee takes the caller's frame over

	// What is called: a function of this image, else one by its linkage name. An
	// indirect call has neither.
	Target Offset
	Direct bool // Target counts
	Name   string
}

// TailCaller tells what functions call, so that frames which tail calls took
// over can be shown. It is an optional part of an Image.
type TailCaller interface {
	// CallAt returns the call that returns to off.
	CallAt(off Offset) (Call, bool)
	// TailCalls returns the tail calls of the function entered at entry; false when
	// there is no debug information for it. A function whose calls were not all
	// recorded is taken to make none.
	TailCalls(entry Offset) ([]Call, bool)
}
