package transport

import (
	"bufio"
	"encoding/hex"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// ours reports whether the other end of a connection within this machine is a program
// of this user, or of root: on loopback, everybody of the machine is a neighbour, and a
// pipe has its permissions only once it is there. The kernel tells whose a socket is:
// that of a pipe by SO_PEERCRED (unix(7)), others in /proc/net/tcp: local address, remote
// address, in the eighth column the user, in the tenth the inode. A socket that no program
// has open, any more or before it accepts it, has the inode 0 and is shown as root's.
func ours(conn net.Conn) bool {
	if pipe, ok := conn.(*net.UnixConn); ok {
		return friend(peer(pipe))
	}
	here, ok := conn.LocalAddr().(*net.TCPAddr)
	there, also := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || !also {
		return true // a serial line has no neighbours
	}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if uid, found := owner(file, there, here); found {
			return friend(uid)
		}
	}
	return false
}

func friend(uid int) bool { return uid == os.Geteuid() || uid == 0 }

// peer is the user at the other end of a pipe, -1 unknown.
func peer(conn *net.UnixConn) int {
	uid := -1
	raw, err := conn.SyscallConn()
	if err != nil {
		return uid
	}
	raw.Control(func(fd uintptr) {
		if c, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			uid = int(c.Uid)
		}
	})
	return uid
}

func owner(file string, local, remote *net.TCPAddr) (uid int, found bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		c := strings.Fields(sc.Text())
		if len(c) > 9 && c[9] != "0" && isAddr(c[1], local) && isAddr(c[2], remote) {
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
