package rsp

import (
	"regexp"
	"testing"
)

// TestTables: where tables lie, as QEMU's monitor writes it in long mode and in real mode.
func TestTables(t *testing.T) {
	const long = "ES =0000 0000000000000000 00000000 00000000\r\nLDT=0000 0000000000000000 00000000 00008200 DPL=0 LDT\r\n" +
		"TR =0040 fffffe0000003000 00004087 00008900 DPL=0 TSS64-avl\r\nGDT=     fffffe0000001000 0000007f\r\nIDT=     fffffe0000000000 00000fff\r\n"
	const short = "LDT=0000 00000000 0000ffff 00008200\r\nTR =0000 00000000 0000ffff 00008b00\r\nGDT=     000f6120 00000037\r\nIDT=     000f615e 00000000\r\n"
	for _, c := range []struct{ text, name, want string }{
		{long, "idtr", "fffffe0000000000"}, {long, "gdtr", "fffffe0000001000"}, {long, "tr", "fffffe0000003000"}, {long, "ldtr", "0000000000000000"},
		{short, "idtr", "000f615e"}, {short, "gdtr", "000f6120"}, {short, "tr", "00000000"},
	} {
		m := regexp.MustCompile(tables[c.name]).FindStringSubmatch(c.text)
		if m == nil || m[1] != c.want {
			t.Errorf("%s is %q, want %s", c.name, m, c.want)
		}
	}
}
