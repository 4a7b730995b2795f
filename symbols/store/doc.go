// Package store finds image files, their debug files and source files, and
// implements symbols.Store.
//
// Where it looks is told by paths in WinDbg's syntax (path.go): folders, caches,
// symbol servers and DebugInfoD servers. find.go is the order of the places,
// companion.go finds the files that debug information is divided over, http.go
// fetches from servers, debuginfod.go keeps the cache that libdebuginfod
// keeps, source.go finds sources.
//
// A file counts as found when its build-id is the debuggee's; others are told in
// the list of places tried and used only when forced. Nothing is fetched from
// anywhere the paths do not name.
//
// # Ladder
//
// A new kind of place climbs: its element in path.go, its case in find.go (a
// function from an identity to a file), and its case in source.go if it has sources.
//
// What it must not know: how images are read (Options.Open is given), targets
// (Options.Remote is given), the engine.
package store
