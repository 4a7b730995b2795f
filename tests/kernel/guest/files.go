package guest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// Prompt is what the guest says when its shell waits for commands.
const Prompt = "@guest ready@"

// initScript is the guest's first process. The line does not echo, so that what comes
// back is what commands print; the kernel's own messages stay in its log.
const initScript = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin PS1=
echo 1 >/proc/sys/kernel/sysrq
echo 0 >/proc/sys/kernel/kptr_restrict
dmesg -n 1
[ -n "$shell" ] || shell=ttyS0
stty -echo -F /dev/$shell
echo '` + Prompt + `' >/dev/$shell
exec setsid sh -c "exec sh <>/dev/$shell >&0 2>&0"
`

// files makes the guest's root file system: busybox, what was asked for, and the
// first process (cpio in the form "newc", Documentation/driver-api/early-userspace).
func files(tb testing.TB, put map[string]string) []byte {
	tb.Helper()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		tb.Fatal(err)
	}
	var a archive
	for _, dir := range []string{"bin", "lib", "lib/modules"} {
		a.add(dir, 0o040755, nil)
	}
	a.add("init", 0o100755, []byte(initScript))
	all := map[string]string{"bin/busybox": busybox}
	for at, from := range put {
		all[at] = from
	}
	for _, at := range sorted(all) {
		data, err := os.ReadFile(all[at])
		if err != nil {
			tb.Fatal(err)
		}
		a.add(at, 0o100755, data)
	}
	a.add("TRAILER!!!", 0, nil)
	return a.out.Bytes()
}

func sorted(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

type archive struct {
	out bytes.Buffer
	n   int
}

func (a *archive) add(name string, mode int, data []byte) {
	a.n++
	fmt.Fprintf(&a.out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", a.n, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.out.WriteString(name + "\x00")
	a.pad()
	a.out.Write(data)
	a.pad()
}

func (a *archive) pad() { a.out.Write(make([]byte, -a.out.Len()&3)) }
