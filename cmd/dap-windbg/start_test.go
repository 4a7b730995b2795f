package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

// maxInit bounds what our packages allocate before main, bytes: each page that a start
// touches takes it microseconds. A table or a pattern that one room needs is made when it
// is first asked for (sync.OnceValue), or is an array that the linker lays out.
const maxInit = 240 << 10

func TestPackagesBeginSmall(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sum := 0
	rows := regexp.MustCompile(`(?m)^init dap-windbg/.* (\d+) bytes, \d+ allocs$`).FindAllSubmatch(out, -1)
	for _, m := range rows {
		n, _ := strconv.Atoi(string(m[1]))
		sum += n
	}
	if len(rows) == 0 || sum > maxInit {
		t.Errorf("%d packages allocate %d bytes before main, want at most %d:\n%s", len(rows), sum, maxInit, out)
	}
}
