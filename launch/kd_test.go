package launch

import (
	"strings"
	"testing"
	"time"

	"dap-windbg/targets/kd"
)

// TestConnected prints WinDbg's line of a new connection.
func TestConnected(t *testing.T) {
	at := time.Date(2014, 3, 19, 20, 56, 31, 371e6, time.FixedZone("", 3600))
	for _, tt := range []struct {
		v    kd.Version
		want string
	}{
		{kd.Version{Build: 7601, Machine: 0x8664, Pointer: 8}, "Connected to Windows 7 7601 x64 target at (Wed Mar 19 20:56:31.371 2014 (UTC + 1:00)), ptr64 TRUE"},
		{kd.Version{Build: 3790, Machine: 0x14c, Pointer: 4}, "Connected to Windows Server 2003 3790 x86 compatible target at (Wed Mar 19 20:56:31.371 2014 (UTC + 1:00)), ptr64 FALSE"},
		{kd.Version{Build: 19045, Machine: 0xaa64, Pointer: 8}, "Connected to Windows 10 19045 ARM 64-bit (AArch64) target at (Wed Mar 19 20:56:31.371 2014 (UTC + 1:00)), ptr64 TRUE"},
	} {
		if got := connected(tt.v, at); got != tt.want {
			t.Errorf("%s\n%s", got, tt.want)
		}
	}
}

// TestLineSpec: what a connection leaves out comes from the environment.
func TestLineSpec(t *testing.T) {
	t.Setenv("_NT_DEBUG_PORT", "com2")
	t.Setenv("_NT_DEBUG_BAUD_RATE", "57600")
	for text, want := range map[string]string{
		"com:":                                 "com2 57600",
		"com:port=com1,baud=9600":              "com1 9600",
		"com:pipe,port=/run/kd,resets=0":       "/run/kd 57600 pipe",
		"com:ipport=5000,port=10.0.0.9":        "10.0.0.9 0 tcp",
		"com:port=/dev/pts/5,baudrate=1500000": "/dev/pts/5 1500000",
	} {
		c, err := ParseConnection(text, Kernel)
		if err != nil {
			t.Fatal(err)
		}
		s, err := lineSpec(c)
		if err != nil {
			t.Fatal(err)
		}
		f := strings.Fields(want)
		if s.Port != f[0] || lineBaud(s.Baud) != f[1] || s.Pipe != strings.HasSuffix(want, "pipe") || (s.TCP != 0) != strings.HasSuffix(want, "tcp") {
			t.Errorf("%s: %+v", text, s)
		}
	}
	t.Setenv("_NT_DEBUG_BAUD_RATE", "fast")
	c, _ := ParseConnection("com:", Kernel)
	if _, err := lineSpec(c); err == nil || !strings.Contains(err.Error(), "_NT_DEBUG_BAUD_RATE") {
		t.Errorf("%v", err)
	}
}

func lineBaud(n int) string {
	return map[int]string{0: "0", 9600: "9600", 57600: "57600", 1500000: "1500000"}[n]
}

// TestBehindServer: what a KD connection server can give.
func TestBehindServer(t *testing.T) {
	for text, ok := range map[string]bool{
		"kdsrv:server=@{tcp:server=h,port=1},trans=@{com:port=com1,baud=57600}":   true,
		"kdsrv:server=@{tcp:server=h,port=1},trans=@{}":                           true,
		"kdsrv:server=@{tcp:server=h,port=1},trans=@{kgdb:port=/dev/ttyS1}":       true,
		"kdsrv:server=@{tcp:server=h,port=1},trans=@{net:port=50000,key=1.2.3.4}": false,
	} {
		c, err := ParseConnection(text, Kernel)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := overServer(c); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
