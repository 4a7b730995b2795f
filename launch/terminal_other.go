//go:build !linux

package launch

import "context"

// startInTerminal runs gdbserver in a terminal of the client's.
func startInTerminal(context.Context, *Plan, []string, func(context.Context, []string, string, []string) (int, error)) (*localServer, error) {
	return nil, &UnavailableError{What: "programs run in a terminal on Linux only", Fix: "set \"console\" to internalConsole"}
}
