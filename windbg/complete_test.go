package windbg

import (
	"context"
	"testing"
)

func TestComplete(t *testing.T) {
	i, _ := play(t)
	ctx := context.Background()
	for _, test := range []struct {
		line, want string
		from       int
	}{
		{"vert", "vertarget", 0},
		{"g; .logo", ".logopen", 3},
		{"bp ord", "orders!", 3},
		{"bp orders!Sub", "orders!Submit", 3},
		{"dx ord", "order", 3},
		{"k; dx qt", "qty", 6},
		{"? poi(na", "name", 6},
		{"dx @$curprocess.Th", "Threads", 16},
		{"dx @$curprocess.Threads.Wh", "Where", 24},
		{"dx @$curprocess.Threads.Where(t => t.Id > 0).Sel", "Select", 45},
		{"dx @$curprocess.Threads.First().", "Stack", 32},
		{"dx order->", "Link", 10},
		{"dt Ord", "Order", 3},
		{"dt orders!Ord", "orders!Order", 3},
		{".dump /", "/ma", 6},
	} {
		found := false
		for _, c := range i.Complete(ctx, test.line) {
			found = found || c.Text == test.want && c.From == test.from
		}
		if !found {
			t.Errorf("%q: %+v", test.line, i.Complete(ctx, test.line))
		}
	}
	for _, line := range []string{"", "bp ", "bp zzz", "bp orders!*", "zzz"} {
		for _, c := range i.Complete(ctx, line) {
			if line != "" && line != "bp " {
				t.Errorf("%q: %+v", line, c)
			}
		}
	}
}

func TestPrompt(t *testing.T) {
	i, h := play(t)
	if p := i.Prompt(context.Background()); p != "0:000> " {
		t.Error(p)
	}
	h.parted = true
	if p := i.Prompt(context.Background()); p != "NoTarget> " {
		t.Error(p)
	}
}
