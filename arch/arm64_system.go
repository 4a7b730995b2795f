package arch

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
)

//go:embed arm64_system.txt
var armSystemText string

// armSystem names system registers and operations by bits 5 to 20 of their
// instruction.
var armSystem = sync.OnceValue(func() map[uint32]string {
	out := make(map[uint32]string, 1200)
	for l := range strings.Lines(armSystemText) {
		key, name, ok := strings.Cut(strings.TrimSpace(l), " ")
		if n, err := strconv.ParseUint(key, 16, 16); ok && err == nil {
			out[uint32(n)] = name
		}
	}
	return out
})

// armHints names HINT #n.
var armHints = [128]string{0: "nop", 1: "yield", 2: "wfe", 3: "wfi", 4: "sev", 5: "sevl", 6: "dgh", 7: "xpaclri",
	8: "pacia1716", 10: "pacib1716", 12: "autia1716", 14: "autib1716", 16: "esb", 17: "psb csync", 18: "tsb csync", 20: "csdb", 22: "clearbhb",
	24: "paciaz", 25: "paciasp", 26: "pacibz", 27: "pacibsp", 28: "autiaz", 29: "autiasp", 30: "autibz", 31: "autibsp",
	32: "bti", 34: "bti c", 36: "bti j", 38: "bti jc"}

// armState names the fields of PSTATE that msr sets at once, by op1:op2.
var armState = map[uint32]string{3: "uao", 4: "pan", 5: "spsel", 1 << 3: "allint", 3<<3 | 1: "ssbs", 3<<3 | 2: "dit", 3<<3 | 4: "tco", 3<<3 | 6: "daifset", 3<<3 | 7: "daifclr"}

// armBarriers names what a barrier waits for, by CRm.
var armBarriers = [16]string{1: "oshld", 2: "oshst", 3: "osh", 5: "nshld", 6: "nshst", 7: "nsh", 9: "ishld", 10: "ishst", 11: "ish", 13: "ld", 14: "st", 15: "sy"}

// armSystemInst decodes the class "System": hints, barriers, PSTATE, system
// operations and registers (DDI 0487, C4.1.94).
func armSystemInst(w uint32) (Inst, bool) {
	op0, op1, crn, crm, op2, rt := w>>19&3, w>>16&7, w>>12&15, w>>8&15, w>>5&7, w&31
	load := w>>21&1 == 1
	if w>>22 != 0xd5000000>>22 || load && op0 == 0 {
		return Inst{}, false
	}
	field := "c" + strconv.Itoa(int(crn)) + ",c" + strconv.Itoa(int(crm))
	name := armSystem()[w>>5&0xffff]
	if op0 >= 2 {
		if name == "" {
			name = "s" + strconv.Itoa(int(op0)) + "_" + strconv.Itoa(int(op1)) + "_" + strings.ReplaceAll(field, ",", "_") + "_" + strconv.Itoa(int(op2))
		}
		if load {
			return plain("mrs", armReg(rt, true, false)+","+name), true
		}
		if name == "dbgdtrrx_el0" { // another register where it is written
			name = "dbgdtrtx_el0"
		}
		return plain("msr", name+","+armReg(rt, true, false)), true
	}
	if op0 == 1 {
		tail := "#" + strconv.Itoa(int(op1)) + "," + field + ",#" + strconv.Itoa(int(op2))
		if load {
			return plain("sysl", armReg(rt, true, false)+","+tail), true
		}
		if op, what, ok := strings.Cut(name, " "); ok {
			what, takes := strings.CutSuffix(what, " x")
			if takes {
				what += "," + armReg(rt, true, false)
			}
			return plain(op, what), true
		}
		if rt != 31 {
			tail += "," + armReg(rt, true, false)
		}
		return plain("sys", tail), true
	}
	return armBarrier(op1, crn, crm, op2, rt)
}

// armBarrier decodes the system instructions that name no register.
func armBarrier(op1, crn, crm, op2, rt uint32) (Inst, bool) {
	number := "#" + armImm(uint64(crm))
	switch {
	case crn == 1 && op1 == 3 && crm == 0 && op2 <= 1:
		return plain([2]string{"wfet", "wfit"}[op2], armReg(rt, true, false)), true
	case rt != 31:
		return Inst{}, false
	case crn == 2 && op1 == 3:
		if h := armHints[crm<<3|op2]; h != "" {
			op, args, _ := strings.Cut(h, " ")
			return plain(op, args), true
		}
		return plain("hint", "#"+armImm(uint64(crm<<3|op2))), true
	case crn == 4 && op1 == 0 && crm == 0 && op2 <= 2:
		return plain([3]string{"cfinv", "xaflag", "axflag"}[op2], ""), true
	case crn == 4 && op1 == 3 && op2 == 3 && crm>>1 >= 1 && crm>>1 <= 3:
		return plain([2]string{"smstop", "smstart"}[crm&1], [4]string{1: "sm", 2: "za"}[crm>>1]), true
	case crn == 4 && armState[op1<<3|op2] != "" && !(op1 == 1 && crm > 1):
		return plain("msr", armState[op1<<3|op2]+","+number), true
	case crn == 3 && op1 == 3:
		return armWait(crm, op2, number)
	}
	return Inst{}, false
}

// armWait decodes barriers proper.
func armWait(crm, op2 uint32, number string) (Inst, bool) {
	what := number
	if armBarriers[crm] != "" {
		what = armBarriers[crm]
	}
	if crm == 15 && (op2 == 2 || op2 == 6) { // the default is not written
		what = ""
	} else if op2 == 2 || op2 == 6 {
		what = number
	}
	switch {
	case op2 == 4 && crm == 0:
		return plain("ssbb", ""), true
	case op2 == 4 && crm == 4:
		return plain("pssbb", ""), true
	case op2 == 1 && crm&3 == 2:
		return plain("dsb", [4]string{"oshnxs", "nshnxs", "ishnxs", "synxs"}[crm>>2]), true
	case op2 == 3 && crm == 0:
		return plain("tcommit", ""), true
	case op2 == 7 && crm == 0:
		return plain("sb", ""), true
	}
	if op := [8]string{2: "clrex", 4: "dsb", 5: "dmb", 6: "isb"}[op2]; op != "" {
		return plain(op, what), true
	}
	return Inst{}, false
}
