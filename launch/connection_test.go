package launch

import (
	"errors"
	"strings"
	"testing"
)

// TestConnectionErrors is the table of faults a connection string can have.
func TestConnectionErrors(t *testing.T) {
	for _, c := range []struct {
		in   string
		role Role
		want string
	}{
		{"localhost", AnyRole, "Invalid connection string 'localhost'. Expected protocol:argument=value,..."},
		{"telnet:x", AnyRole, "Unknown protocol 'telnet'. Known: gdb, com, net, kdsrv, exdi, kgdb, kdb, qemu, tcp, npipe, ssl, spipe"},
		{"tcp:server=h,port=1", Kernel, "'tcp:' is no kernel connection; did you mean 'kdsrv:server=@{tcp:server=h,port=1},trans=@{com:}'?"},
		{"com:port=1", ProcessServer, "'com:' does not lead to a process server; use gdb: or tcp:"},
		{"net:port=50000,key=1.2.3.4", ProcessServer, "'net:' does not lead to a process server; use gdb: or tcp:"},
		{"gdb:server=localhost", AnyRole, "gdb: argument 'port' is missing"},
		{"gdb:port=1", AnyRole, "gdb: argument 'server' is missing"},
		{"gdb:server=,port=1", AnyRole, "gdb: argument 'server' needs a value"},
		{"gdb:server,port=1", AnyRole, "gdb: argument 'server' needs a value"},
		{"gdb:server=a,port=12a4", AnyRole, "gdb: 'port=12a4' is not a port number (1-65535)"},
		{"gdb:server=a,port=0x10", AnyRole, "gdb: 'port=0x10' is not a port number (1-65535)"},
		{"gdb:server=a,port=0", AnyRole, "gdb: 'port=0' is not a port number (1-65535)"},
		{"gdb:server=a,port=65536", AnyRole, "gdb: 'port=65536' is not a port number (1-65535)"},
		{"gdb:server=a,port=1,threadEvents=yes", AnyRole, "threadEvents must be true or false, not 'yes'"},
		{"gdb:server=a,prot=1", AnyRole, "gdb: unknown argument 'prot' (did you mean 'port'?)"},
		{"gdb:server=a,port=1,", AnyRole, "gdb: an argument is missing here"},
		{"kdsrv:server=@{tcp:server=a,port=1", AnyRole, "kdsrv: missing '}' for '@{' at column 14"},
		{"kdsrv:server=@{tcp:port=1234,server=,", AnyRole, "kdsrv: missing '}' for '@{' at column 14"},
		{"kdsrv:server=@{tcp:server=a,port=1},trans=com:", AnyRole, "kdsrv: trans must be @{...}"},
		{"tcp:server=a,port=1", ServerSide, "tcp: 'server' is not allowed when creating a server"},
		{"tcp:port=1", Session, "tcp: argument 'server' is missing"},
		{"tcp:server=a,port=1,password=0123456789abc", Session, "password may be at most 12 letters and digits"},
		{"tcp:server=a,port=1,password=a-b", Session, "password may be at most 12 letters and digits"},
		{"tcp:port=60:51", ServerSide, "tcp: port range 60:51 is empty"},
		{"com:port=1,baud=1,channel=255", ServerSide, "com: channel must be 0..254"},
		{"npipe:pipe=a b", ServerSide, "npipe: pipe name must not contain blanks or quotes"},
		{"com:port=1,pipe=1", AnyRole, "com: argument 'pipe' takes no value"},
		{"ssl:proto=ssl3,server=a,port=1", Session, "ssl: ssl3 is insecure and refused; use tls1, tls12 or tls13"},
		{"usb:targetname=T", Kernel, "usb: no debug cable of this kind is supported; use net: or com:"},
		{"gdb:cmd=ssh", AnyRole, "gdb: cmd must be @{...}"},
		{"gdb:cmd=@{ }", AnyRole, "gdb: cmd is an empty command line"},
	} {
		_, err := ParseConnection(c.in, c.role)
		var ce *ConnectionError
		if !errors.As(err, &ce) {
			t.Errorf("%q: got %v, want a ConnectionError", c.in, err)
			continue
		}
		if ce.Msg != c.want {
			t.Errorf("%q:\n got %q\nwant %q", c.in, ce.Msg, c.want)
		}
		if strings.Contains(err.Error(), "0123456789abc") || strings.Contains(err.Error(), "a-b") {
			t.Errorf("%q: the error shows the password: %v", c.in, err)
		}
	}
}

// TestConnectionRoundTrip: every legal form parses, prints and parses to the same.
func TestConnectionRoundTrip(t *testing.T) {
	for _, c := range []struct {
		in, want string
		role     Role
	}{
		{"gdb:server=localhost,port=1234", "gdb:server=localhost,port=1234", AnyRole},
		{"GDB:Server=10.0.0.7, PORT = 1234 ,threadEvents=true", "gdb:server=10.0.0.7,port=1234,threadEvents=true", AnyRole},
		{"gdb:server=[fe80::1],port=1", "gdb:server=[fe80::1],port=1", AnyRole},
		{"gdb:cmd=@{ssh box gdbserver - --multi}", "gdb:cmd=@{ssh box gdbserver - --multi}", ProcessServer},
		{"com:", "com:", Kernel},
		{"com:port=com2,baud=57600", "com:Port=com2,Baud=57600", Kernel},
		{`com:pipe,port=\\.\pipe\kd0,resets=0,reconnect`, `com:Pipe,Port=\\.\pipe\kd0,Resets=0,Reconnect`, Kernel},
		{"com:ipport=5000,port=10.0.0.9", "com:IPPort=5000,Port=10.0.0.9", Kernel},
		{"kdsrv:server=@{tcp:server=10.0.0.42,port=1033},trans=@{com:port=com1,baudrate=57600}",
			"kdsrv:Server=@{tcp:Server=10.0.0.42,Port=1033},Trans=@{com:Port=com1,Baud=57600}", Kernel},
		{"kdsrv:server=@{npipe:server=BOX,pipe=K,password=p},trans=@{com:}", "kdsrv:Server=@{npipe:Server=BOX,Pipe=K,Password=*},Trans=@{com:}", Kernel},
		{"exdi:CLSID={29f9906e-9dbe-4d4b-b0fb-6acf7fb6d014},Kd=Guess,gdb=localhost:1234",
			"exdi:CLSID={29f9906e-9dbe-4d4b-b0fb-6acf7fb6d014},Kd=Guess,Gdb=localhost:1234", Kernel},
		{"tcp:port=5005:5010,password=abc123,hidden", "tcp:Port=5005:5010,Password=*,Hidden", ServerSide},
		{"remdbgeng://tcp:server=10.0.0.7,port=5005", "tcp:Server=10.0.0.7,Port=5005", Session},
		{"tcp:clicon=SRV,port=5005", "tcp:Clicon=SRV,Port=5005", Session},
		{"qemu:server=localhost,port=1234,os=linuxkernel", "qemu:Server=localhost,Port=1234,Os=linuxkernel", Kernel},
		{"kdb:port=/dev/ttyS0,baud=115200", "kdb:Port=/dev/ttyS0,Baud=115200", Kernel},
	} {
		conn, err := ParseConnection(c.in, c.role)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if got := conn.String(); got != c.want {
			t.Errorf("%q prints %q, want %q", c.in, got, c.want)
		}
		again, err := ParseConnection(conn.Secret(), c.role)
		if err != nil || again.Secret() != conn.Secret() {
			t.Errorf("%q: printed form %q does not parse to the same: %v", c.in, conn.Secret(), err)
		}
	}
}

func TestRepeatedKey(t *testing.T) {
	c, err := ParseConnection("gdb:server=a,server=b,port=1", AnyRole)
	if err != nil || c.Get("server") != "b" || len(c.Warnings) != 1 {
		t.Fatalf("got %v %v %v", c, c.Warnings, err)
	}
	c, err = ParseConnection("com:port=1,baud=9601", Kernel)
	if err != nil || len(c.Warnings) != 1 {
		t.Fatalf("an unusual baud rate: %v %v", c, err)
	}
}

func FuzzConnection(f *testing.F) {
	for _, s := range []string{"gdb:server=a,port=1", "kdsrv:server=@{tcp:server=a,port=1},trans=@{com:}", "a:@{", "com:pipe,password", "gdb:cmd=@{a\\} b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConnection(s, AnyRole)
		if err != nil {
			_ = err.Error()
			return
		}
		again, err := ParseConnection(c.Secret(), AnyRole)
		if err != nil || again.Secret() != c.Secret() {
			t.Fatalf("%q -> %q: %v", s, c.Secret(), err)
		}
	})
}

// TestHostAndPort: what gdb takes as it is, is explained.
func TestHostAndPort(t *testing.T) {
	_, err := ParseConnection("build7:1234", AnyRole)
	var e *ConnectionError
	if !errors.As(err, &e) || e.Hint() != "a gdbserver that listens there is gdb:server=build7,port=1234" {
		t.Errorf("%v", err)
	}
}

// TestMisspelt: a password whose word is misspelt is not printed either.
func TestMisspelt(t *testing.T) {
	for _, word := range []string{"passwrd", "Pasword", "pwd", "passphrase", "pass"} {
		_, err := ParseConnection("tcp:server=a,"+word+" =hush,port=5005", AnyRole)
		if err == nil || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), "port=5005") {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// TestSecrets: what lets others in is not printed.
func TestSecrets(t *testing.T) {
	for text, secret := range map[string]string{"tcp:server=a,port=5005,password=hush": "hush", "net:port=50000,key=1.2.3.hush": "hush"} {
		c, err := ParseConnection(text, AnyRole)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(c.String(), secret) || !strings.Contains(c.Secret(), secret) {
			t.Errorf("%s: shown as %s, handed on as %s", text, c, c.Secret())
		}
	}
}
