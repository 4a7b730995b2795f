// Package adapter speaks the Debug Adapter Protocol: it decodes requests, keeps
// their order, numbers what the client may ask about later (frames, variables,
// sources) and encodes answers and events. Everything it tells comes from an
// engine.Session; everything typed into the debug console goes to a Console.
//
// # Goroutines of one session
//
// A reader decodes messages and cancels what is asked to be cancelled; the
// dispatcher carries out requests one by one and turns engine events into DAP
// events; a writer numbers and writes; a console worker runs command lines,
// which may wait for a stop without holding the editor; a starter brings a
// debuggee up. The dispatcher owns all state: the others post closures to it.
// Serve itself waits beside them and cuts off what does not end in time.
//
// # Order
//
// A response precedes the events its request causes, because engine events wait
// in a mailbox that only the dispatcher empties, between requests. Each request
// has one response. After `terminated` no event is sent.
//
// # Ladder
//
//   - a new request: one method with typed arguments in and a typed body out,
//     and its row in the table in requests.go.
//   - a new event: one case in tell (events.go).
//   - something go-dap's types lack: types.go.
//
// What it must not know: the command language, configuration fields, protocols
// of targets, file formats.
package adapter
