// Package index keeps the names of an image in tables without pointers. The
// same bytes serve in memory, fresh from a Builder, and mapped from a file of the
// user's cache: nothing is parsed at opening, and each block is checked against
// its checksum before the first byte of it is used.
//
// What a name stands for is told by a number, the place of its DIE; what that
// means is the reader's affair (symbols/dwarf).
//
// All numbers are little-endian and every table begins at a multiple of 8:
//
//	header    magic, version, checksums, and where each table lies
//	sums      a CRC-32C for each block of 64 kB of what follows
//	strings   the names, each ended by NUL, in the order of names
//	names     hash, place in strings, first entry; by hash, then by text
//	scopes    parent, name, flags; a parent comes before its children
//	units     where each unit's DIEs begin
//	globals   addresses of variables; by address
//	code      address ranges of units; by address
//	paths     source files, each ended by NUL
//	files     place in paths, first of the file's units
//	fileUnits units by file
//	entries   what a name stands for; by name, then by DIE
//
// The hash of a name does not tell upper from lower case, so that one search
// serves both ways to ask.
//
// Beside an index the cache keeps what of the build's compressed sections was read
// (section.go), for the library that every program stands on is decompressed at every start.
//
// What it must not know: DWARF, ELF, targets.
//
// The ladder: a new table is a row above, in format.go, and a new version of the format,
// by which files of the old one are made again.
package index
