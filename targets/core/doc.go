// Package core reads and writes ELF core files of Linux processes: what a
// process was when it ended, or when somebody looked. As a target it has threads,
// registers and memory, and it cannot run.
//
// What a core file does not promise:
//
//   - It need not have all memory. Linux leaves out what the mapped files have
//     (core(5), "Controlling which mappings are written"); those bytes are read
//     from the files, which must be the ones that ran: their build-ids, or their
//     first pages, are compared with those in the core. Memory that a program or its
//     loader writes to is never taken from a file. What neither has is unavailable.
//   - It need not be whole: a full disk or a limit cuts it. What is there is used.
//   - Its notes need not be true: every length is checked against the file.
//   - Threads have no names, and only the one that got the signal is known to
//     have stopped for a reason.
//
// A file is mapped, not read: opening reads headers and notes. The formats are
// those of Linux (fs/binfmt_elf.c; include/uapi/linux/elf.h for the notes;
// struct elf_prstatus and user_regs_struct of each machine), in tables that reader
// and writer share.
//
// What it must not know: symbols, the engine, where files are found.
//
// # Ladder
//
// A further machine is a row in machines: where its registers lie in
// NT_PRSTATUS, then the notes with its other registers.
package core
