// Package engine is the debugger: one goroutine, the loop, owns the session
// with a debuggee and everything known about it. It plants traps, steps, keeps
// threads, modules and stacks, and caches memory for as long as the debuggee is
// stopped.
//
// # The loop
//
// The loop selects over target events and an inbox of closures. A session is
// stopped, running, halting or gone. View is the token for looking at a stopped
// debuggee: it exists only inside Do and dies with it; Live serves tables at any
// time. There is no mutex: whoever wants something sends a closure.
//
// Breakpoints changed while running are parked; the loop interrupts once, serves
// all that is parked, plants the difference between wanted and planted, and
// resumes. Such a hidden stop is never told.
//
// Stepping is data: a plan holds the thread, the range, the frame it must not
// leave and its traps; after each stop it says again or done. One plan at a time.
//
// # Reading
//
// Readers (unwinder, locals, modules, expressions) are pure over the stop's
// cache. View.Gather runs them, fetches all that they missed in one flight and
// runs them again. The stop handler prefetches what editors ask for anyway:
// threads, registers and a window of the stack travel in one flight.
//
// # Ladder
//
// A new ability climbs: a verb of View, then How or Breakpoint gains a field,
// then the plan or the diff honours it. Front ends come last.
//
// What it must not know: DAP, the command language, files and their formats,
// which protocol its Target speaks.
package engine
