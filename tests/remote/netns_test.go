//go:build linux

package remote

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// place is a network of its own: a process that holds the namespace open.
type place struct{ pid int }

// within is a command line that runs argv in the place; without one, here.
func (p *place) within(argv ...string) []string {
	if p == nil {
		return argv
	}
	in := []string{"nsenter", "-t", strconv.Itoa(p.pid), "-n"}
	if os.Geteuid() != 0 {
		in = append(in, "-U", "--preserve-credentials")
	}
	return append(append(in, "--"), argv...)
}

// do runs a command in the place.
func (p *place) do(t testing.TB, command string, a ...any) {
	t.Helper()
	argv := p.within("sh", "-ec", fmt.Sprintf(command, a...))
	if err := run(exec.Command(argv[0], argv[1:]...)); err != nil {
		t.Fatal(err)
	}
}

// newPlace makes one; of user namespaces, the one of beside, so that cables can be laid.
func newPlace(t testing.TB, beside *place) *place {
	t.Helper()
	argv := []string{"unshare", "-n"}
	if os.Geteuid() != 0 && beside == nil {
		argv = append(argv, "-r")
	}
	argv = beside.within(append(argv, "sh", "-c", "echo there; exec cat")...)
	cmd := exec.Command(argv[0], argv[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal("no network of its own: ", err)
	}
	return &place{cmd.Process.Pid}
}

// Addresses of two machines with a router between them.
const farAddress, nearAddress = "10.77.1.2", "10.77.2.2"

// machines are two places and a router that joins them, all made of namespaces.
func machines(t testing.TB) (far, near, router *place) {
	t.Helper()
	if err := run(exec.Command("unshare", append(map[bool][]string{false: {"-r"}}[os.Geteuid() == 0], "-n", "ip", "link", "add", "one", "type", "veth", "peer", "name", "other")...)); err != nil {
		const missing = "this machine lets us make no networks (CAP_NET_ADMIN or user namespaces, and the kernel's veth): a cut of a real one is NOT TESTED: "
		if os.Getenv("HEAVY") != "" {
			t.Fatal(missing, err)
		}
		t.Skip(missing, err)
	}
	router = newPlace(t, nil)
	far, near = newPlace(t, router), newPlace(t, router)
	for end, p := range map[int]*place{1: far, 2: near} {
		router.do(t, "ip link add net%[1]d type veth peer name net netns %[2]d; ip addr add 10.77.%[1]d.1/24 dev net%[1]d; ip link set net%[1]d up", end, p.pid)
		p.do(t, "ip link set lo up; ip addr add 10.77.%[1]d.2/24 dev net; ip link set net up; ip route add default via 10.77.%[1]d.1", end)
	}
	router.do(t, "echo 1 >/proc/sys/net/ipv4/ip_forward")
	return far, near, router
}

// cuts are two ways to lose a network: the router passes nothing on, which nobody is
// told, and the client's own cable is pulled, which its system notices.
var cuts = []struct {
	name      string
	cut, mend func(t testing.TB, near, router *place)
}{
	{"the router is silent",
		func(t testing.TB, _, router *place) { router.do(t, "echo 0 >/proc/sys/net/ipv4/ip_forward") },
		func(t testing.TB, _, router *place) { router.do(t, "echo 1 >/proc/sys/net/ipv4/ip_forward") }},
	{"the cable is pulled",
		func(t testing.TB, near, _ *place) { near.do(t, "ip link set net down") },
		func(t testing.TB, near, _ *place) {
			near.do(t, "ip link set net up; ip route add default via 10.77.2.1")
		}},
}

// TestNetworkCut: a network that is cut for five seconds goes on where it was; what was
// typed meanwhile arrives.
func TestNetworkCut(t *testing.T) {
	for _, c := range cuts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			far, near, router := machines(t)
			s := serveIn(t, far, "tcp:port=5005,password=p1")
			b := debuggingIn(t, near, "tcp:server="+farAddress+",port=5005,password=p1", 0, "bp pacing!pace")
			c.cut(t, near, router)
			io.WriteString(b.in, "g\nk\n")
			time.Sleep(5 * time.Second) // so long is the cut
			if strings.Contains(b.said.String(), "Breakpoint 0 hit") {
				t.Error("nothing is cut")
			}
			c.mend(t, near, router)
			b.said.wait(t, "Breakpoint 0 hit(?s:.*)pacing!main")
			if strings.Contains(s.logs.String(), "parted in the client's place") {
				t.Errorf("the server has given the client up\n%s", s.logs)
			}
		})
	}
}

// TestNetworkGone: a network that is cut for ever is found out by both ends: the client
// tells its user, and the server parts from the debuggee. Other clients notice nothing.
func TestNetworkGone(t *testing.T) {
	for _, c := range cuts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			far, near, router := machines(t)
			s := serveIn(t, far, "tcp:port=5005,password=p1")
			p := pace(t)
			b := debuggingIn(t, near, "tcp:server="+farAddress+",port=5005,password=p1", p.Process.Pid, onAndOn)
			b.walks(t)
			other := debuggingIn(t, far, "tcp:server="+farAddress+",port=5005,password=p1", 0, onAndOn)
			began := time.Now()
			c.cut(t, near, router)
			s.logs.wait(t, "parted in the client's place")
			t.Logf("the server has parted after %v", time.Since(began).Round(time.Second))
			walking(t, p.Process.Pid)
			b.said.wait(t, "(?i)is lost")
			t.Logf("the client has told after %v", time.Since(began).Round(time.Second))
			other.walks(t)
		})
	}
}
