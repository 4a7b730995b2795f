package launch

import (
	"errors"
	"strings"
	"testing"
)

// TestSerialServer: a serial line's server is refused, and it is said how a line over TCP
// is named.
func TestSerialServer(t *testing.T) {
	for text, refused := range map[string]bool{
		"com:server=lab,port=5000":  true,
		"com:server=lab":            true,
		"com:ipport=5000,port=lab":  false,
		"com:port=/dev/ttyS0":       false,
		"kgdb:port=/dev/ttyS0":      false,
		"kgdb:server=lab,port=5000": false,
	} {
		c, err := ParseConnection(text, Kernel)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, err = lineSpec(c)
		var no *UnavailableError
		if errors.As(err, &no) != refused || refused && !strings.Contains(no.Fix, "com:ipport=N,port=lab") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
