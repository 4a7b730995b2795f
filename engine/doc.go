// Package engine is the debugger: the loop owns the session with a debuggee and
// everything known about it, and one goroutine at a time is in it. It plants traps,
// steps, keeps threads, modules and stacks, and caches memory for as long as the
// debuggee is stopped.
//
// # The loop
//
// Whoever wants something has a closure run in the loop, which takes a turn there, on
// the caller's goroutine; the target's events take turns too (turn.go). A session is
// stopped, running, halting or gone. View is the token for looking at a stopped
// debuggee: it exists only inside Do and dies with it; Live serves tables at any
// time. There is no mutex beside the turn.
//
// Breakpoints changed while running are parked; the loop interrupts once, serves
// all that is parked, plants the difference between wanted and planted, and
// resumes. Such a hidden stop is never told.
//
// Stepping is data: a plan holds the thread, the range, the frame it must not
// leave and its traps; after each stop it says again or done. One plan at a time.
//
// A step by line runs at full speed to the exits of its statement when they are
// known (region.go; kept.go says what becomes of their traps on a machine), else the far
// end steps through the range; line.go says what
// happens where control arrives: a step ends where a row that is a statement of
// another line begins, and goes through the rest of lines that it returns into. A
// frame is told from deeper activations by its CFA, else by SP. An inlined call that
// begins where a thread has stopped does not show until it is stepped into
// (inlined.go). Exceptions and longjmp that cross the step end it where they land
// (catch.go); a signal's handler is run through. Back in a recording an instruction
// is undone at a time (reverse.go). A thread that was told to be at a trap steps off
// it alone, with that trap lifted, before the rest runs; the difference travels with
// the next flight.
//
// # Reading
//
// Readers (unwinder, locals, modules, expressions) are pure over the stop's
// cache. View.Gather runs them, fetches all that they missed in one flight and
// runs them again. The stop handler prefetches what editors ask for anyway:
// threads, registers and a window of the stack travel in one flight.
//
// Symbols are opened in goroutines, the main image's at once, others' when a
// stack, a name or a waiting breakpoint needs them; the loop waits for them a
// while, then goes on without. An image's index of names is made behind the first
// stop, one image at a time; breakpoints then gain the places that only it tells.
//
// # Optional abilities of a System
//
// Beyond systems.System the engine asks for WatchAddress (the place to watch,
// without symbols), TLS, SignalFrame and SignalDetail, where a System has them.
//
// # Ladder
//
// A new ability climbs: a verb of View, then How or Breakpoint gains a field,
// then the plan or the diff honours it. Front ends come last.
//
// What it must not know: DAP, the command language, files and their formats,
// which protocol its Target speaks.
package engine
