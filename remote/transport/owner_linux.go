package transport

import (
	"bufio"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"
)

// ours reports whether the other end of a connection within this machine is a program
// of this user, or of root: on loopback, everybody of the machine is a neighbour. The
// kernel tells whose a socket is in /proc/net/tcp: local address, remote address, and in
// the eighth column the user.
func ours(conn net.Conn) bool {
	here, ok := conn.LocalAddr().(*net.TCPAddr)
	there, also := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !also {
		return true // pipes have permissions
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if uid, found := owner(file, there, here); found {
			return uid == os.Geteuid() || uid == 0
		}
	}
	return false
}

func owner(file string, local, remote *net.TCPAddr) (uid int, found bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		c := strings.Fields(sc.Text())
		if len(c) > 7 && isAddr(c[1], local) && isAddr(c[2], remote) {
			uid, err := strconv.Atoi(c[7])
			return uid, err == nil
		}
	}
	return 0, false
}

// isAddr compares an address as the kernel prints it, words of four bytes in its own
// byte order (all our machines are little-endian) and a port, both hexadecimal.
func isAddr(text string, a *net.TCPAddr) bool {
	address, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	raw, bad := hex.DecodeString(address)
	if err != nil || bad != nil || int(n) != a.Port || len(raw)%4 != 0 {
		return false
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	return net.IP(raw).Equal(a.IP)
}
