// Package pe reads Portable Executable images: headers, sections, COFF symbols,
// exports, imports, base relocations, the debug directory and the function table.
//
// Everything is a view of the file's bytes: parsing reads headers, the rest is
// read when asked for. No length is trusted. Source of the layout: Microsoft's
// "PE Format" specification, whose words for things are used.
//
// What it must not know: symbols, debug information, targets.
//
// The ladder: a new table of the directory is a method over its bytes in tables.go.
package pe
