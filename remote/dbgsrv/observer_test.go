package dbgsrv

import (
	"slices"
	"strings"
	"testing"
)

// talkTo feeds an observer: lines that begin with > are the client's.
func talkTo(o *observer, lines string) string {
	var passed strings.Builder
	for _, l := range strings.Split(strings.TrimSpace(lines), "\n") {
		l = strings.TrimSpace(l)
		if text, ok := strings.CutPrefix(l, "> "); ok {
			text = strings.ReplaceAll(text, "^C", "\x03")
			for i := range len(text) { // in the smallest pieces
				passed.Write(o.fromClient([]byte(text[i : i+1])))
			}
		} else {
			o.fromStub([]byte(strings.TrimPrefix(l, "< ")))
		}
	}
	return passed.String()
}

// TestObserver: what is to be parted from, after each conversation.
func TestObserver(t *testing.T) {
	for name, c := range map[string]struct {
		talk    string
		pids    []int64
		created bool
		traps   string
		running bool
	}{
		"nothing yet":           {"> $qSupported#37\n< $PacketSize=47ff;T05thread#00", nil, false, "", false},
		"attached":              {"> $vAttach;46d8#00\n< $T05thread:p46d8.46d8;core:0;#00", []int64{0x46d8}, false, "", false},
		"started":               {"> $vRun;2f62696e#00\n< +$T0506:0;thread:pa.a;#00", []int64{10}, true, "", false},
		"refused":               {"> $vAttach;1#00\n< $E01#00", nil, false, "", false},
		"traps":                 {"> $vAttach;a#00\n< $T05thread:pa.a;#00\n> $Z0,401136,1;X3,220a#00$Z0,401200,1#00$z0,401136,1#00", []int64{10}, false, "0,401200,1", false},
		"running":               {"> $vAttach;a#00\n< $T05thread:pa.a;#00\n> $vCont;c#00", []int64{10}, false, "", true},
		"stopped again":         {"> $vAttach;a#00\n< $T05thread:pa.a;#00\n> $vCont;c#00\n< $T05swbreak:;thread:pa.b;#00", []int64{10}, false, "", false},
		"memory that looks so":  {"> $vAttach;a#00\n< $T05thread:pa.a;#00\n> $vCont;c#00$m0,4#00\n< $00000000#00", []int64{10}, false, "", true},
		"exited":                {"> $vRun;2f#00\n< $T05thread:pa.a;#00\n> $vCont;c#00\n< $W00;process:a#00", nil, true, "", false},
		"detached":              {"> $vAttach;a#00\n< $T05thread:pa.a;#00\n> $Z0,1,1#00$D;a#00", nil, false, "", false},
		"killed":                {"> $vRun;2f#00\n< $T05thread:pa.a;#00\n> $vKill;a#00", nil, true, "", false},
		"a child":               {"> $vRun;2f#00\n< $T05thread:pa.a;#00\n> $vCont;c#00\n< $T05fork:pb.b;thread:pa.a;#00", []int64{10, 11}, true, "", false},
		"a packet cut off":      {"> $Z0,1$Z0,2,1#00", nil, false, "0,2,1", false},
		"binary with a 3":       {"> $X0,3:a^Cb#00$Z0,5,1#00", nil, false, "0,5,1", false},
		"a notification":        {"> $QNonStop:1#00\n> $vRun;2f#00\n< $OK#00%Stop:T05thread:pa.a;#00", []int64{10}, true, "", false},
		"numbers out of bounds": {"> $vRun;2f#00\n< $T05thread:pffffffffffffffffffff.1;thread:p0.0;thread:p-1.-1;#00", nil, true, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := &observer{}
			talkTo(o, c.talk)
			p := o.know()
			var pids []int64
			for _, h := range p.Processes {
				pids = append(pids, h.PID)
				if h.Created != c.created {
					t.Errorf("created %v", h.Created)
				}
			}
			if !slices.Equal(pids, c.pids) || strings.Join(p.Traps, " ") != c.traps || p.Running != c.running {
				t.Errorf("%+v", p)
			}
		})
	}
}

// TestInterrupt: the byte that asks for a stop is taken out when the process was stopped
// in another way, and only that byte.
func TestInterrupt(t *testing.T) {
	stopped := int64(0)
	o := &observer{interrupt: func(h held) bool { stopped = h.PID; return true }}
	before := "> ^C$X0,3:a^Cb#00\n"
	if got := talkTo(o, before); got != "\x03$X0,3:a\x03b#00" || stopped != 0 {
		t.Errorf("%q %d", got, stopped)
	}
	got := talkTo(o, "> $vAttach;a#00\n< $T05thread:pa.a;#00\n> $vCont;c#00^C$m0,1#00")
	if got != "$vAttach;a#00$vCont;c#00+$m0,1#00" || stopped != 10 {
		t.Errorf("%q %d", got, stopped)
	}
}

// FuzzObserver: whatever passes, nothing that was not named is to be parted from, and
// what is passed on is as long as what came.
func FuzzObserver(f *testing.F) {
	f.Add([]byte("$vRun;2f#00"), []byte("$T05thread:pa.a;#00"))
	f.Fuzz(func(t *testing.T, client, stub []byte) {
		o := &observer{}
		if out := o.fromClient(client); !slices.Equal(out, client) {
			t.Error("changed")
		}
		o.fromStub(stub)
		for _, h := range o.know().Processes {
			if h.PID <= 0 {
				t.Error(h.PID)
			}
		}
	})
}
