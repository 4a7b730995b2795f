package rsp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"dap-windbg/targets"
)

// TestHostileDescription: documents that include each other many times over are
// read once each.
func TestHostileDescription(t *testing.T) {
	many := parseDescription([]byte("<target>" + strings.Repeat(`<xi:include href="b.xml"/><xi:include href="target.xml"/>`, 500) + "</target>"))
	back := parseDescription([]byte("<target>" + strings.Repeat(`<xi:include href="target.xml"/><xi:include href="c.xml"/>`, 500) + `<reg name="rax" bitsize="64"/></target>`))
	d := flatten(map[string]document{"target.xml": many, "b.xml": back, "c.xml": back})
	if len(d.regs) != 2 {
		t.Errorf("%d registers, want that of b.xml and that of c.xml", len(d.regs))
	}
}

// TestHostileThreadList: a list that never ends, or says nothing, is an error.
func TestHostileThreadList(t *testing.T) {
	for _, answers := range [][]string{{"m"}, {"mzz"}, {"m1,2", "m2,1"}} {
		var list threadList
		var err error
		more := true
		for _, a := range answers {
			if err != nil || !more {
				t.Fatalf("%q ended at %q: %v", answers, a, err)
			}
			more, err = list.take(&request{payload: "qsThreadInfo", reply: []byte(a)})
		}
		if wrong := new(targets.ProtocolError); !errors.As(err, &wrong) {
			t.Errorf("%q: %v", answers, err)
		}
	}
	var list threadList
	for _, a := range []string{"mp1.1,p1.2", "mp1.3", "l"} {
		if more, err := list.take(&request{reply: []byte(a)}); err != nil || more != (a != "l") {
			t.Errorf("%q: %v, %v", a, more, err)
		}
	}
	if len(list.ids) != 3 {
		t.Errorf("threads %v", list.ids)
	}
}

// TestHostileFile: a size that cannot be is not believed.
func TestHostileFile(t *testing.T) {
	for name, size := range map[string]string{"largest": "\x7f" + strings.Repeat("\xff", 7), "negative": strings.Repeat("\xff", 8)} {
		t.Run(name, func(t *testing.T) {
			stat := strings.Repeat("\x00", 28) + size + strings.Repeat("\x00", 28)
			c := play(t, Options{}, hello+`
	> +vFile:setfs:0
	< +
	< F0
	> +vFile:open:78,0,0
	< +
	< F5
	> +vFile:fstat:5
	< +
	< F40;`+stat+`
	`)
			f, err := c.Target().Open(soon(t), "x")
			if err != nil {
				t.Fatal(err)
			}
			if n := f.(*File).Size(); n != -1 { // what is not known; reading plans with it
				t.Errorf("size %d", n)
			}
		})
	}
}

// TestHostileDeafness: a far end that answers without reading, until what we write has
// no room any more, holds nobody up.
func TestHostileDeafness(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	left := make(chan struct{})
	go func() {
		defer close(left)
		far, err := l.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		for in := bufio.NewReader(far); ; {
			text, err := in.ReadString('#')
			if err != nil || strings.Contains(text, "$qflood") {
				break
			}
			answer := "+$#00"
			if strings.HasSuffix(text, "$?#") {
				answer = "+$S05#b8"
			}
			io.WriteString(far, answer)
		}
		for err == nil {
			_, err = io.WriteString(far, "+$E01#a6")
		}
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // 60 MB on a busy machine
	defer cancel()
	c, err := Connect(ctx, conn, Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := c.exchange(ctx, ask("qflood"))
		for range 20_000 { // 60 MB, more than sockets hold
			if err == nil {
				err = c.exchange(ctx, ask("q%s", strings.Repeat("x", 3000)))
			}
		}
		c.Close()
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil && !errors.Is(err, targets.ErrGone) {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Fatal("it is waited for without a limit")
	}
	<-left
}
