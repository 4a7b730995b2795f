package kernel

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"dap-windbg/tests/kernel/guest"
)

// kdbTable are the commands of kdb v4.4's manual that Linux 6.1 has, with arguments, and
// what their answers have. Ours are whole words of WinDbg's too, which go first.
var kdbTable = []struct {
	line, want string
	ours       bool
}{
	{"bl", `^$`, true}, {"bp jiffies", `BP #\d+ at 0x`, true}, {"bd 0", `Breakpoint 0 at .* disabled`, true},
	{"be 0", `Breakpoint 0 at .* enabled`, true}, {"bc 0", `Breakpoint 0 at .* cleared`, true},
	{"bph jiffies dataw 8", `Data Write BP #\d+ at`, false},
	{"bt", `Stack traceback for pid`, false}, {"btp 1", `Stack traceback for pid 1`, false}, {"bta S", `Stack traceback`, false},
	{"btc", `Stack traceback`, false}, {"btt 0x%x", `Stack traceback for pid 0`, false},
	{"cpu", `Currently on cpu`, false}, {"cpu 9", `Invalid cpu number`, false},
	{"dmesg 5", `sysrq: DEBUG`, false}, {"defcmd", `defcmd dumpall`, false},
	{"env", `PROMPT=`, false}, {"help", `Single Step`, false}, {"?", `Single Step`, true}, {"kill -9 99999", `process isn't found`, false},
	{"lsmod", `Module +Size`, false}, {"md jiffies", `^0xffff`, false}, {"md8c2 jiffies", `^0xffff`, false}, {"md4c1 jiffies", `^0xffff`, false},
	{"mdp 0x1000 16", `^phys 0x0+1000`, false}, {"mdr jiffies 8", `^[0-9a-f]{16}$`, false}, {"mds linux_banner", `^0xffff`, false},
	{"mm4 kptr_restrict 1", ` = 0x1$`, false}, {"mm kptr_restrict 0", ` = 0x0$`, false},
	{"per_cpu cpu_number", `^ *1 0x`, false}, {"pid 1", `KDB current process is sh`, false}, {"pid R", `KDB current process is`, false},
	{"ps", `Task Addr`, false}, {"ps A", `kthreadd`, false}, {"ps A | grep kthreadd", `kthreadd`, false},
	{"rd", `^ax: `, false}, {"rm ax 0x1234", `^$`, true}, {"rm rax 1", `Invalid register name`, true},
	{"set MDCOUNT=4", `^$`, false}, {"set", `Improper argument count`, false},
	{"sr h", `HELP : `, false}, {"summary", `^sysname +Linux`, false}, {"dumpcommon", `\[dumpcommon\]kdb>`, false}, {"grephelp", `emulated 'pipe'`, false},
	{"-summary", `^sysname`, false}, {"-md 0x0", `Bad address`, false}, {"jiffies", `^jiffies = 0x`, true}, {"# a remark", `^$`, true},
	{"ef %s", `^`, true},
}

// kdbGone are those that it has not, and what is told instead.
var kdbGone = []struct{ line, instead string }{
	{"id jiffies", "u"}, {"ll jiffies 0 md", "dl"}, {"ssb", "ph"}, {"bpa jiffies", "bp"}, {"bpha jiffies", "bph"}, {"rq 0", "ps"},
	{"rqa", "ps"}, {"stackdepth 60", "bta"}, {"handlers", "btc"}, {"mmW jiffies 1", "mm1"},
}

var kdbPrompt = regexp.MustCompile(`(?:^|\n)\[\d+\]kdb> `)

// heard is the answer to a line as the kernel printed it: what is behind the last echo
// of the line, up to the prompt after it.
func (d *debugged) heard(line string) (text string, times int) {
	d.t.Helper()
	echo := regexp.MustCompile(`\[\d+\]kdb> ` + regexp.QuoteMeta(line) + "\r\n")
	for limit := time.Now().Add(guest.Patience); time.Now().Before(limit); time.Sleep(time.Millisecond) { // QEMU writes the file last
		all, err := os.ReadFile(d.line.Log)
		if err != nil {
			d.t.Fatal(err)
		}
		at := echo.FindAllIndex(all, -1)
		if at == nil {
			return "", 0
		}
		rest := all[at[len(at)-1][1]:]
		if end := kdbPrompt.FindIndex(rest); end != nil {
			return strings.TrimSpace(strings.ReplaceAll(string(rest[:end[0]]), "\r", "")), len(at)
		}
	}
	d.t.Fatalf("no prompt behind %s", line)
	return "", 0
}

// TestKernelTable types every command of kdb's manual into a command window over a real
// kernel, bare and by !kdb: the answer is what the kernel printed, to the letter.
func TestKernelTable(t *testing.T) {
	d := debug(t, "kdb", 2)
	task := d.value("vmlinux!init_task")
	for _, row := range kdbTable {
		line := row.line
		switch {
		case strings.Contains(line, "%x"):
			line = fmt.Sprintf(line, task)
		case strings.Contains(line, "%s"):
			line = fmt.Sprintf(line, "0x"+regexp.MustCompile(`sp: ([0-9a-f]{16})`).FindStringSubmatch(answer(d.Window, "!kdb rd"))[1])
		}
		typed := []string{"!kdb " + line, line}
		if row.ours {
			typed = typed[:1]
		}
		_, before := d.heard(line)
		for i, how := range typed {
			got := strings.TrimSpace(answer(d.Window, how))
			want, times := d.heard(line)
			if times != before+i+1 {
				t.Errorf("%s: the kernel has heard it %d times before and %d now", how, before, times)
			}
			if got != want {
				t.Errorf("%s: %s", how, difference(want, got))
			}
			if !strings.HasPrefix(line, "bph") || i == 0 { // the second is a duplicate
				has(t, how, got, row.want)
			}
		}
	}
	d.Do("!kdb bc *")
	d.gone()
	d.leaves()
}

// gone types words that the kernel would run as others.
func (d *debugged) gone() {
	t := d.t
	for _, row := range kdbGone {
		text := answer(d.Window, "!kdb "+row.line)
		word, _, _ := strings.Cut(row.line, " ")
		has(t, row.line, text, `this kernel's kdb has no `+word+`\b`, `Use `+row.instead+`\b`, `!kdb -f`)
		if _, times := d.heard(row.line); times != 0 {
			t.Errorf("%s was sent", row.line)
		}
	}
	has(t, "!kdb -f id", answer(d.Window, "!kdb -f id jiffies"), `^Unknown kdb command: 'id jiffies'$`)
	has(t, "!kdb -f bpa", answer(d.Window, "!kdb -f bpa jiffies"), `BP #\d+ at 0x`)
	d.Do("!kdb bc *")
	d.passes("!kdb -f ssb") // which runs ss
	has(t, "kgdb", answer(d.Window, "!kdb kgdb"), `take the console away`)
}

// passes types a line that has kdb step, which our own stepping has no part in: nobody
// waits for its stop, and what is typed before that is refused.
func (d *debugged) passes(line string) {
	d.t.Helper()
	pc := d.value("@rip")
	d.Do(line)
	limit := time.Now().Add(guest.Patience)
	for strings.Contains(d.Do("r rip"), "is running") && time.Now().Before(limit) {
	}
	if d.value("@rip") == pc {
		d.t.Errorf("%s has stepped nothing", line)
	}
}

// leaves types what lets the kernel run.
func (d *debugged) leaves() {
	t := d.t
	d.passes("!kdb ss")
	pc := d.value("@rip")
	has(t, "ss", d.Do("ss"), `vmlinux!`)
	if d.value("@rip") == pc {
		t.Error("ss has stepped nothing")
	}
	d.Do("!kdb cpu 1")
	has(t, "~ behind cpu 1", d.Do("~"), `CPU 1`)
	d.Do("!kdb cpu 0")
	g := d.Say("go")
	if got := d.Run("echo runs"); got != "runs\n" {
		t.Errorf("behind go the guest says %q", got)
	}
	d.Interrupt()
	has(t, "the break-in", g.Wait(), `vmlinux!kgdb_breakpoint`)
	d.Do("!kdb bp ksys_write") // the kernel's own, which is told all the same
	g = d.Say("go")
	hit := d.Begin("echo hit >/dev/null")
	has(t, "the stop of kdb's own breakpoint", g.Wait(), `vmlinux!ksys_write`)
	d.Do("!kdb bc *")
	g = d.Say("go")
	hit.Wait()
	d.Interrupt()
	g.Wait()
	from := len(d.VM.Log())
	d.Say("reboot")
	d.WaitLog(guest.Prompt, from)
}
