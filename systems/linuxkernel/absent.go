package linuxkernel

import "dap-windbg/systems"

// absentRows are commands of a Windows kernel's for which Linux has nothing, and why.
var absentRows = func() []row {
	var out []row
	for _, r := range []struct{ name, why string }{
		{"!sysptes", "Linux keeps no pool of such entries: !address shows what vmalloc gave away, !ptov what page tables map"},
		{"!verifier", "Driver Verifier is Windows's: what Linux finds out about itself is in !dmesg"},
		{"!blackboxbsd", "that record is Windows's: .bugcheck and !dmesg tell of a panic"},
		{"!whea", "hardware errors are lines of the kernel's log: !dmesg"},
		{"!errrec", "hardware errors are lines of the kernel's log: !dmesg"},
		{".pagein", "a debugger cannot have a program's page read in: it comes when the program touches it"},
		{".breakin", "this is the kernel's debugger already"},
		{".kdfiles", "a Linux kernel asks its debugger for no driver files"},
		{".kdtargetmac", "a Linux kernel is debugged over a stub or a serial line, which have no such address"},
	} {
		out = append(out, row{r.name, r.name, r.why, func(*command) error { return &systems.AbsentError{Why: r.why} }})
	}
	return out
}()
