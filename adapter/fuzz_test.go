package adapter_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"dap-windbg/adapter"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// served lets a session over a fake read input to its end. It fails when the session
// does not end, or when something in it panicked. Live: the session is at its first
// stop before the input comes. Upon: the input's end is when this request is answered.
func served(t *testing.T, live bool, input []byte, upon int) {
	t.Helper()
	here, there := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- adapter.Serve(context.Background(), there, faking("main", 2, nil)) }()
	stopped, answered, read := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		begun, over := sync.OnceFunc(func() { close(stopped) }), sync.OnceFunc(func() { close(answered) })
		defer begun()
		defer over()
		for r := bufio.NewReader(here); ; {
			content, err := dap.ReadBaseMessage(r)
			if err != nil {
				return
			}
			var m dapclient.Message
			if err := json.Unmarshal(content, &m); err != nil {
				t.Errorf("%v: %s", err, content)
			}
			if bytes.Contains(content, []byte("internal error")) {
				t.Errorf("%s", content)
			}
			if m.Event == "stopped" {
				begun()
			}
			if m.Type == "response" && m.RequestSeq == upon {
				over()
			}
		}
	}()
	limit := time.AfterFunc(20*time.Second, func() { here.Close() }) // a session that reads or answers no more
	if live {
		here.Write(messages(begun()...))
		<-stopped
	}
	here.Write(input)
	if upon > 0 {
		<-answered
	}
	here.Close()
	if !limit.Stop() {
		t.Error("the session does not go on")
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("the session does not end")
	}
	<-read
}

// messages frames requests, numbered from 1.
func messages(list ...[]byte) []byte {
	var b bytes.Buffer
	for _, m := range list {
		dap.WriteBaseMessage(&b, m)
	}
	return b.Bytes()
}

func request(seq int, command string, args []byte) []byte {
	return fmt.Appendf(nil, `{"seq":%d,"type":"request","command":%q,"arguments":%s}`, seq, command, args)
}

// begun are the requests that bring a session to its first stop.
func begun() [][]byte {
	return [][]byte{
		request(1, "initialize", []byte(`{"adapterID":"x","linesStartAt1":true,"columnsStartAt1":true,"supportsMemoryEvent":true,"supportsProgressReporting":true}`)),
		request(2, "launch", []byte(`{}`)),
		request(3, "configurationDone", []byte(`{}`)),
	}
}

// FuzzInput: whatever a client sends, the session ends when the client hangs up, and
// no request brings it down.
func FuzzInput(f *testing.F) {
	w := &walker{dapclient.Walker{Rand: rand.New(rand.NewPCG(1, 2))}}
	for i := range walks {
		var list [][]byte
		for k := range 4 {
			command, args := walks[(i+k*7)%len(walks)](w)
			content, err := json.Marshal(args)
			if err != nil {
				f.Fatal(err)
			}
			list = append(list, request(4+k, command, content))
		}
		f.Add(true, messages(list...))
		f.Add(false, messages(append(begun(), list...)...))
	}
	f.Add(true, []byte("Content-Length: 5\r\n\r\n{}Content-Length: x\r\n\r\n"))
	f.Add(false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(false, messages([]byte(`{"seq":1,"type":"response","request_seq":1,"command":"runInTerminal","success":true}`), []byte(`[]`), []byte(`{"type":"event"}`)))
	f.Fuzz(func(t *testing.T, live bool, input []byte) { served(t, live, input, 0) })
}

// FuzzArguments: any arguments of any request in a stopped session. Each is answered,
// and so is the one after it.
func FuzzArguments(f *testing.F) {
	w := &walker{dapclient.Walker{Rand: rand.New(rand.NewPCG(3, 4)), Frames: []int{1, 2}, Refs: []int{3, 4, 5}}}
	for _, next := range append(slices.Clone(walks), rare...) {
		for range 3 {
			command, args := next(w)
			content, err := json.Marshal(args)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(command, content)
		}
	}
	f.Fuzz(func(t *testing.T, command string, args []byte) {
		if !json.Valid(args) || command == "evaluate" && bytes.Contains(args, []byte("long")) { // one that lasts until it is broken off
			return
		}
		served(t, true, messages(
			request(4, "stackTrace", []byte(`{"threadId":1000}`)), request(5, "scopes", []byte(`{"frameId":1}`)),
			request(6, command, args), request(7, "threads", []byte("{}"))), 7)
	})
}
