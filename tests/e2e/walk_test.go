package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// address is WinDbg's spelling of a 64-bit address.
const address = "[0-9a-f]{8}`[0-9a-f]{8}"

// walk is the walk-through of a program whose array has n elements; found are
// the patterns its transcript must show, in order.
func walk(n int) (commands string, found []string) {
	commands = "bp DisplayGreeting!main\nbl\ng\nk\nlm\n.sympath\n.srcpath\n.reload\np\np\np\ndx greeting\nk\nsxe ld\nlm m libc*\n.input \"\\n\"\ng\nq\n"
	found = []string{
		"^ModLoad: " + address + " " + address + "   .*DisplayGreeting",
		`bl\n +0 e Disable Clear  ` + address + `  \[.*DisplayGreeting\.cpp @ 18\]     0001 \(0001\)  0:\*\*\*\* DisplayGreeting!main$`,
		"ModLoad: .*libc.so.6",
		`^Breakpoint 0 hit\nDisplayGreeting!main.* \[.*DisplayGreeting\.cpp @ 18\]:$`,
		`k\n # Child-SP          RetAddr               Call Site\n00 ` + address + " " + address + `     DisplayGreeting!main.* \[.*DisplayGreeting\.cpp @ 18\] $`,
		"^01 " + address + " " + address + "     libc_so!",
		`lm\nstart             end                 module name\n` + address + " " + address + `   DisplayGreeting T \(service symbols: DWARF Private Symbols\)        .*/DisplayGreeting$`,
		"^" + address + " " + address + `   libc_so `,
		"^" + address + " " + address + `   linux_vdso_so   \((deferred|no symbols)\)`,
		"^Symbol search path is: ",
		"^Source search path is: ",
		`\.cpp @ 19\]:`, `\.cpp @ 20\]:`, `\.cpp @ 22\]:`,
		fmt.Sprintf(`dx greeting\ngreeting                 : \{ size=%d \} \[Type: std::array<wchar_t, %d>\]$`, n, n),
		fmt.Sprintf(`^    \[<Raw View>\]     \[Type: std::array<wchar_t, %d>\]$`, n),
		`^    \[0\]              : 87 'W' \[Type: wchar_t\]$`,
		fmt.Sprintf(`^    \[%d\] +: .* \[Type: wchar_t\]$`, n-1),
		"The debuggee exited with status 0",
	}
	return commands, found
}

// greeting is what the program prints of its message.
func greeting(n int) string {
	const message = "WELCOME TO THE DEBUGGER. MAY EVERY BREAKPOINT YOU SET BE THE LAST ONE THAT YOU NEED!"
	return message[:min(n, len(message))]
}

// TestWalk is the walk-through by each way to start it.
func TestWalk(t *testing.T) {
	n := 20 + rand.IntN(60)
	prog := program(t, "DisplayGreeting.cpp", fmt.Sprintf("-DGREETING_SIZE=%d", n))
	commands, found := walk(n)
	t.Run("launch", func(t *testing.T) {
		r := debugger(t, commands, "cdb", prog)
		r.Must(t, 0, found...)
		if !strings.Contains(r.Out, greeting(n)+"\n") {
			t.Errorf("the program's output %q is not shown:\n%s", greeting(n), r.Out)
		}
	})
	t.Run("gdbserver by hand", func(t *testing.T) {
		s := gdbserver(t, "\n", "--once", "127.0.0.1:0", prog)
		commands := strings.Replace(commands, ".input \"\\n\"\n", "", 1)
		debugger(t, commands, "cdb", "-remote", "gdb:server=localhost,port="+s.port).Must(t, 0, found...)
		<-s.ended
		if got := s.output.String(); got != greeting(n)+"\n" {
			t.Errorf("the program printed %q", got)
		}
	})
	t.Run("run", func(t *testing.T) { // unattended: the program has no input
		line := strings.Join(strings.Split(strings.TrimSpace(strings.Replace(commands, ".input \"\\n\"\n", "", 1)), "\n"), "; ")
		debugger(t, "", "run", "-c", line, "--", prog).Must(t, 0, "Breakpoint 0 hit", fmt.Sprintf(`\{ size=%d \}`, n), "exited with status 0")
	})
	t.Run("script and launch file", func(t *testing.T) {
		dir := t.TempDir()
		script, config := filepath.Join(dir, "walk.txt"), filepath.Join(dir, "launch.json")
		text := fmt.Sprintf(`{"type": "dap-windbg", "request": "launch", "name": "walk", "program": %q, "stdin": "/dev/null", /* comment */ }`, prog)
		for file, text := range map[string]string{script: strings.Replace(commands, ".input \"\\n\"\n", "", 1), config: text} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		debugger(t, "", "run", "--launch", config, "--config", "walk", "-cf", script).Must(t, 0, "Breakpoint 0 hit", fmt.Sprintf(`\{ size=%d \}`, n))
	})
}

// TestAttach: a running process is attached to, looked at, and left running.
func TestAttach(t *testing.T) {
	cmd := spinning(t)
	pid := cmd.Process.Pid
	debugger(t, "k\nlm\nbp spin!tick\ng\ndx ticks\nbc *\n|\nqd\n", "cdb", "-p", strconv.Itoa(pid)).Must(t, 0,
		"ModLoad: .*spin", "spin!main", "Breakpoint 0 hit", `spin!tick.* \[.*spin\.c @ 8\]`, `^ticks +: 0x[0-9a-f]+ \[Type: volatile unsigned long\]`,
		fmt.Sprintf(`^\.  0\tid: %x\t`, pid))
	unharmed(t, pid)
}

// TestProcessServer: list, attach, create, one after the other.
func TestProcessServer(t *testing.T) {
	cmd := spinning(t)
	s := gdbserver(t, "", "--multi", "127.0.0.1:0")
	server := "gdb:server=127.0.0.1,port=" + s.port
	debugger(t, "", "ps", "--server", server).Must(t, 0, fmt.Sprintf(`^ +%d .*spin`, cmd.Process.Pid))
	commands := fmt.Sprintf(".tlist spin*\n.attach 0n%d\ng\n", cmd.Process.Pid)
	k := start(t, "cdb", "-premote", server)
	for _, line := range strings.Split(strings.TrimSpace(commands), "\n")[:2] {
		k.say(line)
	}
	k.expect(fmt.Sprintf(`0n%d .*spin`, cmd.Process.Pid))
	k.say("k")
	k.expect(`spin!main`)
	k.say(".detach")
	k.expect("Detached")
	unharmed(t, cmd.Process.Pid)
	k.say(".create " + program(t, "status.c") + " 4")
	k.say("bp status!main")
	k.say("g")
	k.expect("Breakpoint 0 hit")
	k.say("g")
	k.expect("exited with status 4")
	k.say("q")
	k.end()
}
