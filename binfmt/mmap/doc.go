// Package mmap maps files read-only into memory.
//
// A mapping lives as long as its File is reachable: slices of Data do not keep
// it, so whoever holds a slice holds the File too. There is no Close, because a
// reader that outlives a Close would crash the debugger.
//
// What it must not know: file formats.
//
// The ladder: a new system is a file beside mmap_unix.go.
package mmap
