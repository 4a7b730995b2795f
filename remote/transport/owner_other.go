//go:build !linux

package transport

import "net"

// ours cannot be told here.
func ours(net.Conn) bool { return true }
