package linuxkernel

import (
	"dap-windbg/arch"
	"dap-windbg/symbols/orc"
)

// maxOrcs bounds a module's unwind table.
const maxOrcs = 1 << 20

// moduleFrames are the rules by which a module's stack frames are unwound, which the
// kernel keeps of it (struct mod_arch_specific; arch/x86/kernel/unwind_orc.c): a
// distance from itself of 4 bytes and a rule of 6 for each. Nil: there are none.
func (r *reader) moduleFrames(module, base arch.Addr, banner string) *orc.Unwinder {
	const distance, rule = 4, 6
	if _, ok := r.member("module", "arch.num_orcs"); !ok {
		return nil
	}
	n := r.get(module, "module", "arch.num_orcs")
	ips, rules := arch.Addr(r.get(module, "module", "arch.orc_unwind_ip")), arch.Addr(r.get(module, "module", "arch.orc_unwind"))
	if r.stuck() || n == 0 || n > maxOrcs {
		return nil
	}
	ip, unwind := make([]byte, n*distance), make([]byte, n*rule)
	if !r.read(ips, ip) || !r.read(rules, unwind) {
		return nil
	}
	return orc.New(orc.Sections{IP: orc.Section{Data: ip, Addr: uint64(ips)}, Unwind: orc.Section{Data: unwind, Addr: uint64(rules)},
		ReadOnly: orc.Section{Data: []byte(banner)}, LinkBase: uint64(base)})
}
