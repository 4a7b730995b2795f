package main

import (
	"fmt"
	"os"
	"path/filepath"

	"dap-windbg/symbols/pdb/pdbtest"
)

// The rows of this file are whole processes too, on a program database of the size of
// a Windows kernel's. No peer here reads such files.

// Of the database that is made: modules, and functions in each.
const databaseModules, databaseFunctions = 1500, 250

// databaseLimit is how long the first breakpoint by name may take, ms.
const databaseLimit = 100

// writeDatabase writes the database and its image below a folder.
func writeDatabase(dir string) {
	d := pdbtest.Large(databaseModules, databaseFunctions)
	check(os.WriteFile(filepath.Join(dir, "ntlarge.pdb"), d.Write(), 0o600))
	check(os.WriteFile(filepath.Join(dir, "ntlarge.exe"), d.Image("ntlarge.pdb", 0x140000000), 0o600))
}

// databases measures and prints. Another process writes the database: the memory that
// this takes would be counted as that of every process started later.
func (b *bench) databases() {
	self, err := os.Executable()
	check(err)
	command(self, "-database", b.dir)
	pdb, exe := filepath.Join(b.dir, "ntlarge.pdb"), filepath.Join(b.dir, "ntlarge.exe")
	defer os.Remove(pdb)
	info, err := os.Stat(pdb)
	check(err)
	fmt.Printf("\nA program database of %d MB: medians of %d runs of whole processes; ms wall, MB at peak\n\n", info.Size()>>20, *symbolRuns)
	fmt.Printf("%-34s %8s %6s %6s %6s\n", "question", "ours", "limit", "MB", "anon")
	for _, q := range []question{
		{name: "breakpoint on a function", ours: "bp ntlarge!NtRoutine777_100; bl", answer: `(?m)^ *0 e `},
		{name: "breakpoint on file:line", ours: "bp `module777.c:2005`; bl", answer: `(?m)^ *0 e `},
		{name: "a type's layout", ours: "dt ntlarge!_RECORD_777_100", answer: `Field9OfRecord`},
		{name: "functions by wildcard", ours: "x ntlarge!NtRoutine99*", answer: `NtRoutine99_1`},
		{name: "a type that is not there", ours: "dt ntlarge!" + nowhere, answer: `not found`},
	} {
		var c contest
		for range *symbolRuns {
			b.oneOurs(image{path: exe}, q, filepath.Join(b.dir, "cache"), &c)
		}
		limit := ""
		if q.name == "breakpoint on a function" {
			limit = fmt.Sprint(databaseLimit)
		}
		fmt.Printf("%-34s %8.1f %6s %6d %6d\n", q.name, median(c.wall).Seconds()*1e3, limit, median(c.rss)>>10, median(c.anon)>>10)
	}
}
