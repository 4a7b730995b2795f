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
// Nothing of the debuggee is called. What [], * and -> of a class yield is what
// its visualiser shows (Modeler).
//
// # Ladder
//
// A new construct climbs: token, node, evaluation over Value, compilation to
// agent bytecode where it can be (Agent).
//
// What it must not know: targets, the engine, how a front end lays text out.
package eval
