// Package eval is the expression languages and the values they make: C++ as in
// dx, ??, hovers, watches and conditions, and WinDbg's MASM expressions; the
// data model (Object) that everything a person sees of a value comes from; and
// in eval/natvis the visualisers, which are data.
//
// Evaluation is pure over Env: it keeps nothing, and a read that is not in the
// stop's cache fails with *symbols.NeedError, upon which the caller fetches and
// evaluates again. An Expr that writes (Effects) is evaluated over an Env whose
// reads block instead.
//
// What [], * and -> of a class yield is what its visualiser shows (Modeler).
// Functions of the debuggee are called only by an expression that was parsed with
// Options.Calls, through an Env that is a Caller.
//
// Values of the data model that no type tells are Items: text, lists, objects,
// functions. They hold nothing of a stop; what they yield is computed over the Env
// of the moment, and queries over Lists are lazy.
//
// # Ladder
//
// A new construct climbs: token, node, evaluation over Value, compilation to
// agent bytecode where it can be (Agent).
//
// What it must not know: targets, the engine, how a front end lays text out.
package eval
