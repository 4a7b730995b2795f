package transport

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/Microsoft/go-winio"
)

// ownPipe lets the system, administrators and its owner use a pipe, and nobody else.
const ownPipe = "D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;OW)"

func listenPipe(_ context.Context, s *Spec, _ bool) ([]net.Listener, error) {
	name := strings.Replace(strings.Replace(s.Pipe, "%x", fmt.Sprintf("%x", os.Getpid()), 1), "%d", fmt.Sprint(os.Getpid()), 1)
	ln, err := winio.ListenPipe(`\\.\pipe\`+name, &winio.PipeConfig{SecurityDescriptor: ownPipe})
	if err != nil {
		return nil, &Error{Layer: Port, What: "Unable to start server, pipe " + name, Err: err, Fix: "another server may have this name"}
	}
	s.Pipe = name
	return []net.Listener{ln}, nil
}

func dialPipe(ctx context.Context, s Spec) (net.Conn, error) {
	host := plainHost(s.Server)
	if local(host) {
		host = "."
	}
	conn, err := winio.DialPipeContext(ctx, `\\`+host+`\pipe\`+s.Pipe)
	if err != nil {
		return nil, reachFault(s, err)
	}
	return conn, nil
}
