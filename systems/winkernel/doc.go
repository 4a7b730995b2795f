// Package winkernel knows the structures of a Windows kernel in memory: its debugger
// data block, the loaded modules, processes and threads, page tables, objects and
// drivers, bug checks. Which field lies where comes from the types of the kernel's
// PDB; without one, from the offsets that the data block itself tells, and from a
// table by build.
//
// # Ladder
//
//  1. find: the kernel's base, the module list and the data block, which the far end
//     volunteers (targets.Anchorer) or which are found by a scan of memory.
//  2. Modules, of which new ones cost a read each and old ones none.
//  3. Processes and threads, and the registers of threads that wait.
//  4. Commands, in tables of systems.Extension: one file a family.
//
// A new build climbs by a row of offsets.go, and by nothing where its PDB is at hand.
//
// It must not know wire protocols, the engine or the command line.
package winkernel
