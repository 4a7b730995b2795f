package report

import "testing"

// TestFrameText: a frame is spelled as k spells it.
func TestFrameText(t *testing.T) {
	for _, row := range []struct {
		frame Frame
		want  string
	}{
		{Frame{Address: 0x10}, Address(0x10).String()},
		{Frame{Module: "orders", Offset: 0x1189}, "orders+0x1189"},
		{Frame{Module: "orders", Function: "total", Offset: 0x12, File: "orders.cpp", Line: 42}, "orders!total+0x12 [orders.cpp @ 42]"},
		{Frame{Module: "orders", Function: "total", File: "orders.cpp", Line: 41}, "orders!total [orders.cpp @ 41]"},
		{Frame{Module: "orders", Function: "price", Inlined: true, Offset: 3}, "orders!price (inlined)"},
	} {
		if got := row.frame.text(); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
