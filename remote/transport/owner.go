package transport

import "net"

// Own makes a listener on this machine hang up on programs of other users, as far as the
// system tells whose they are.
func Own(ln net.Listener) net.Listener { return own{ln} }

type own struct{ net.Listener }

func (o own) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil || ours(conn) {
			return conn, err
		}
		conn.Close()
	}
}
