package linuxkernel

import (
	"fmt"

	"dap-windbg/arch"
)

// This file shows the machine's parts as the kernel has found them.

var hardwareRows = []row{
	{"!pci", "!pci [Bus]", "PCI devices: bus, device and function, class, vendor and device, driver", devices},
	{"!pcitree", "!pcitree", "PCI buses with the devices on them, those behind bridges too", devices},
	{"!mtrr", "!mtrr", "memory type range registers, as the kernel read them", memoryTypes},
	{"!apic", "!apic", "local interrupt controllers of the processors", localInterrupts},
	{"!ioapic", "!ioapic", "I/O interrupt controllers", sharedInterrupts},
}

// maxBuses bounds how many buses are followed: a domain has 256, and memory that is
// ruined may have any number.
const maxBuses = 4096

// devices is !pci and !pcitree (struct pci_bus, include/linux/pci.h).
func devices(c *command) error {
	tree := c.name == "!pcitree"
	if err := c.most(map[bool]int{false: 1}[tree]); err != nil {
		return err
	}
	only, err := c.value(0, ^uint64(0))
	if err != nil {
		return err
	}
	seen := map[arch.Addr]bool{}
	for bus := range c.list(c.symbol("pci_root_buses"), "pci_bus", "node") {
		c.bus(bus, 0, tree, only, seen)
	}
	return nil
}

// bus shows what is on a bus, and on those behind its bridges: each once.
func (c *command) bus(at arch.Addr, depth int, tree bool, only uint64, seen map[arch.Addr]bool) {
	if c.stuck() {
		return
	}
	if seen[at] || len(seen) >= maxBuses {
		c.note(fmt.Errorf("the PCI buses at 0x%x do not end", uint64(at)))
		return
	}
	seen[at] = true
	indent := ""
	if tree {
		indent = fmt.Sprintf("%*s", 4*depth, "")
		c.printf("%sBus %02x  %s\n", indent, c.get(at, "pci_bus", "number"), address(at))
	}
	for device := range c.list(c.at(at, "pci_bus", "devices"), "pci_dev", "bus_list") {
		if n := c.get(at, "pci_bus", "number"); only == ^uint64(0) || only == n {
			c.device(device, n, indent)
		}
		if below := arch.Addr(c.get(device, "pci_dev", "subordinate")); below != 0 {
			c.bus(below, depth+1, tree, only, seen)
		}
	}
}

func (c *command) device(at arch.Addr, bus uint64, indent string) {
	const t = "pci_dev"
	place := c.get(at, t, "devfn")
	driver := ""
	if d := arch.Addr(c.get(at, t, "driver")); d != 0 {
		driver = c.text(arch.Addr(c.get(d, "pci_driver", "name")), 64)
	}
	if c.stuck() {
		return
	}
	c.printf("%s%02x:%02x.%x  %s  class %06x  %04x:%04x  irq %-3d %s\n", indent, bus, place>>3, place&7, address(at), c.get(at, t, "class"),
		c.get(at, t, "vendor"), c.get(at, t, "device"), c.get(at, t, "irq"), driver)
}

// memoryKinds are the types of memory by number (Intel SDM volume 3, table 12-2).
var memoryKinds = map[uint64]string{0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB"}

// memoryTypes is !mtrr (struct mtrr_state_type, arch/x86/include/asm/mtrr.h).
func memoryTypes(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	const t = "mtrr_state_type"
	at := c.symbol("mtrr_state")
	count := c.uint(c.symbol("num_var_ranges"), 4)
	state := "disabled"
	if c.get(at, t, "enabled")&2 != 0 { // MTRR_STATE_MTRR_ENABLED
		state = "enabled"
	}
	c.printf("MTRRs are %s, other memory is %s\n", state, memoryKinds[c.get(at, t, "def_type")])
	ranges, size := c.at(at, t, "var_ranges"), arch.Addr(16) // struct mtrr_var_range: four words of 4 bytes
	for i := range arch.Addr(min(count, 256)) {
		base, mask := c.uint(ranges+i*size, 8), c.uint(ranges+i*size+8, 8)
		if c.stuck() {
			return nil
		}
		if mask>>11&1 == 1 {
			c.printf("%2d  base %012x  mask %012x  %s\n", i, base&^0xfff, mask&^0xfff, memoryKinds[base&0xff])
		}
	}
	return nil
}

// localInterrupts is !apic.
func localInterrupts(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	driver := c.pointer(c.symbol("apic"))
	c.printf("Driver %s, registers at physical address %x\n", c.text(arch.Addr(c.get(driver, "apic", "name")), 64), c.uint(c.symbol("mp_lapic_addr"), 8))
	for _, on := range c.online() {
		id := c.uint(c.perCPU("x86_cpu_to_apicid", on), 2)
		if c.stuck() {
			return nil
		}
		c.printf("CPU %d  APIC ID %x\n", on.number, id)
	}
	return nil
}

// sharedInterrupts is !ioapic (struct ioapic, arch/x86/kernel/apic/io_apic.c).
func sharedInterrupts(c *command) error {
	if err := c.most(0); err != nil {
		return err
	}
	t, err := c.w.Type("ioapic")
	if err != nil {
		return &FieldError{Type: "ioapic"}
	}
	first, count := c.symbol("ioapics"), c.uint(c.symbol("nr_ioapics"), 4)
	for i := range arch.Addr(min(count, 256)) {
		at := first + i*arch.Addr(t.ByteSize())
		id, version, base := c.get(at, "ioapic", "mp_config.apicid"), c.get(at, "ioapic", "mp_config.apicver"), c.get(at, "ioapic", "mp_config.apicaddr")
		from, to := c.get(at, "ioapic", "gsi_config.gsi_base"), c.get(at, "ioapic", "gsi_config.gsi_end")
		if c.stuck() {
			return nil
		}
		c.printf("IOAPIC %d  ID %x  version %x  physical address %x  interrupts %d to %d  %d registers\n", i, id, version, base, from, to, c.get(at, "ioapic", "nr_registers"))
	}
	return nil
}
