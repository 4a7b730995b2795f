package linuxkernel

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"dap-windbg/targets"
)

// These are the ways in which reading the kernel's own names ends early.

// TestOwnNamesInterrupted: reading that is broken off goes on where it was; names stay when
// reading types is.
func TestOwnNamesInterrupted(t *testing.T) {
	k := kgdbKernel(t, from65, true, "banner")
	s := k.system()
	_, m := k.found(t, s)
	total, times := 0, 0
	for {
		ctx, cancel := context.WithCancel(context.Background())
		k.carried, k.until, k.cancel = 0, 40<<10, cancel
		more, err := s.Load(ctx, only{t: k}, m)
		cancel()
		total += k.carried
		if more != (s.kernel.table != nil) {
			t.Errorf("there is more: %v", more)
		}
		if err == nil {
			break
		}
		if times++; !errors.Is(err, context.Canceled) || times > 50 {
			t.Fatalf("attempt %d: %v", times, err)
		}
	}
	if lies(k.image(t, s, m), "sys_8999_call") != textBase+8999*16 || times < 3 || total > 9000*perSymbol+testTypes+times*smallPiece+2*headPiece {
		t.Errorf("%d attempts read %d bytes", times, total)
	}
}

// TestOwnNamesGivenUp: nothing is read any more once who hears of the progress wants it to end.
func TestOwnNamesGivenUp(t *testing.T) {
	for until := 0; until < 400<<10; until += 2 * smallPiece {
		k := kgdbKernel(t, upTo61, true, "banner")
		s := k.system()
		_, m := k.found(t, s)
		k.until, k.cancel = max(until, 1), func() {}
		s.o.Reading = func(ctx context.Context, what string) (context.Context, func(float64)) {
			ctx, stop := context.WithCancel(ctx)
			times := 0
			k.cancel = func() {
				if times++; times == 2 {
					t.Errorf("%s: it is read on when %d bytes were to be read", what, until)
				}
				stop()
			}
			return ctx, func(part float64) {
				if part >= 1 {
					k.cancel = func() {}
				}
			}
		}
		if more, err := s.Load(context.Background(), only{t: k}, m); more != (s.kernel.table != nil) || err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v, %v", until, more, err)
		}
	}
}

// TestOwnNamesRestarted: what is read of another build than the one that was found is not kept
// for that, and the kernel is found anew then.
func TestOwnNamesRestarted(t *testing.T) {
	replace := func(old, new string) func(k *slowKernel) {
		return func(k *slowKernel) { k.memory = bytes.Replace(k.memory, []byte(old), []byte(new), 1) }
	}
	const otherID = "9876543210abcdefghij"
	for name, restart := range map[string]func(k *slowKernel){
		"another banner":   replace("somewhere) #1", "somewhere) #2"),
		"another build-id": replace(testID, otherID),
		"another place":    func(k *slowKernel) { k.base += 16 << 20 },
	} {
		for _, when := range []string{"at first", "names", "types"} { // what is being read
			k := kgdbKernel(t, from65, true, "banner")
			s := k.system()
			_, m := k.found(t, s)
			s.o.Reading = func(ctx context.Context, what string) (context.Context, func(float64)) {
				if strings.Contains(what, when) {
					k.until, k.cancel = k.carried+2*smallPiece, func() { restart(k); k.until = 0 }
				}
				return ctx, func(float64) {}
			}
			if when == "at first" {
				restart(k)
			}
			first := k.carried
			_, err := s.Load(context.Background(), only{t: k}, m)
			var fault *targets.FaultError
			switch torn := errors.As(err, &fault); {
			case err == nil || !torn && !strings.Contains(err.Error(), "restarted"):
				t.Errorf("%s, %s: %v", name, when, err)
			case torn && len(s.kernel.own.names)+len(s.kernel.own.types) > 0:
				t.Errorf("%s, %s: what was read stays", name, when)
			case when == "at first" && k.carried-first > 1024:
				t.Errorf("%s: %d bytes were read", name, k.carried-first)
			}
			if torn := k.store[testID+keptNames]; when != "types" && torn != nil || k.store[testID+keptTypes] != nil {
				t.Errorf("%s, %s: %d bytes are kept", name, when, len(torn))
			}
			s.Load(context.Background(), only{t: k}, m) // and again
			if s.kernel != nil {
				t.Errorf("%s, %s: it is not found anew", name, when)
			}
		}
	}
}
