package windows

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"dap-windbg/tests/kdsim/sim"
	"dap-windbg/tests/kernel/window"
)

// TestTwoClients: two clients of one server at once, each on a line of its own, the one
// clean, the other with CR LF for each LF: what they read of their machines is the same,
// byte for byte.
func TestTwoClients(t *testing.T) {
	port := server(t)
	var windows []*window.Window
	for _, faults := range []*sim.Faults{{}, {Newlines: 1}} {
		_, _, name := machine(t, sim.Options{Seed: 8, AckWait: time.Second, Alone: true}, sim.Line{Out: faults})
		windows = append(windows, window.Open(t, "-k", fmt.Sprintf("kdsrv:server=@{tcp:server=127.0.0.1,port=%d,password=secret},trans=@{com:port=%s,baud=115200}", port, name), "-y", guest(t).Dir))
	}
	say := func(command string) (said []string) {
		var answers []*window.Said
		for _, w := range windows {
			answers = append(answers, w.Say(command))
		}
		for _, a := range answers {
			said = append(said, a.Wait())
		}
		return said
	}
	say("")
	for _, c := range []struct{ command, want string }{
		{"db nt L1000", "MZ"},
		{"db nt+3000 L1000", ""},
		{"eb nt!DemoTotal a a d a", ""},
		{"db nt!DemoTotal L4", "0a 0a 0d 0a"},
		{"bp nt!DemoCompute", ""},
		{"g", "nt!DemoCompute"},
		{"k", "nt!KiDemoThread"},
		{"u nt!DemoRound L20", "nt!DemoRound"},
	} {
		said := say(c.command)
		for _, s := range said {
			has(t, c.command, s, c.want)
		}
		if strings.HasPrefix(c.command, "d") && (dump(said[0]) != dump(said[1]) || dump(said[0]) == "") {
			t.Errorf("%s: over the clean line\n%s\nover the other\n%s", c.command, said[0], said[1])
		}
	}
}

// dump is the lines of a display of memory.
func dump(answer string) string {
	return strings.Join(regexp.MustCompile(`(?m)^[0-9a-f]{8}\x60[0-9a-f]{8}  .*$`).FindAllString(answer, -1), "\n")
}

// TestNet is a session over KDNET.
func TestNet(t *testing.T) {
	const key = "1a.2b.3c.4d"
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	host := free.LocalAddr().(*net.UDPAddr)
	free.Close()
	c, err := net.DialUDP("udp4", nil, host)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.NewNet(guest(t), sim.Options{Script: stage[:1]}, key, c.LocalAddr().(*net.UDPAddr), host)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var over sync.WaitGroup
	w := window.Open(t, "-k", fmt.Sprintf("net:port=%d,key=%s", host.Port, key), "-y", guest(t).Dir)
	over.Go(func() {
		if err := s.ServeNet(ctx, c); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		over.Wait()
		c.Close()
	})
	w.Do("")
	has(t, "the banner", w.Text(), "Waiting to reconnect...", "Connected to Windows 8.1 9600 x64 target at (", "Kernel Debugger connection established.", "Kernel base = 0xfffff801`12600000")
	do(t, w, &counted{}, []step{
		{"bu sample!SampleGreet", nil, 0, 0},
		{"g", []string{"Breakpoint 0 hit", "sample!SampleGreet"}, 0, 0},
		{"k", []string{"sample!SampleGreet", "sample!SampleControl", "nt!KiDemoThread"}, 0, 0},
		{"p", []string{"sample.c @ 17"}, 0, 0},
		{"dv", []string{"first = 0n"}, 0, 0},
		{"t", nil, 0, 0},
		{"t", []string{"SampleScale"}, 0, 0},
		{"gu", []string{"sample!SampleGreet"}, 0, 0},
		{"bc *", nil, 0, 0},
		{"!process 0 0", []string{"Image: System", "Image: demo.exe"}, 0, 0},
		{"lm", []string{"hal", "nt", "sample"}, 0, 0},
		{"ed nt!DemoCommand 4", nil, 0, 0},
		{"g", []string{"*** Fatal System Error: 0x000000d1"}, 0, 0},
	})
	reboots(t, w, &counted{})
}

// TestNoise: a session on lines that lose, change, repeat and invent bytes in both
// directions, a number of times; what is said in the end is as on a clean line.
func TestNoise(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			noise := func(n uint64) *sim.Faults {
				return &sim.Faults{Drop: 300, Flip: 300, Duplicate: 300, Insert: 300, Cut: 300, Limit: 25, Seed: 2*seed + n}
			}
			_, line, name := machine(t, sim.Options{Seed: seed, AckWait: time.Second, Alone: true}, sim.Line{In: noise(0), Out: noise(1)})
			w := window.Open(t, "-k", "com:port="+name+",baud=115200", "-y", guest(t).Dir)
			w.Do("")
			do(t, w, line, []step{
				{"lm", []string{"hal", "nt"}, 0, 0},
				{"bp nt!DemoCompute", nil, 0, 0},
				{"g", []string{"Breakpoint 0 hit", "nt!DemoCompute"}, 0, 0},
				{"k 3", []string{"nt!DemoCompute", "nt!DemoRound"}, 0, 0},
				{"p", []string{"ntoskrnl.c @ "}, 0, 0},
				{"!process 0 0", []string{"Image: System", "Image: demo.exe"}, 0, 0},
				{"bc *", nil, 0, 0},
				{"db nt L80", []string{"4d 5a"}, 0, 0},
			})
		})
	}
}
