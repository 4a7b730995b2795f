package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// dapClient speaks DAP to our program.
type dapClient struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	seq    int
	thread int
	frame  int
	big    string // memory reference
	events []message
	source string
}

type message struct {
	Type, Command, Event, Message string
	Success                       bool
	RequestSeq                    int `json:"request_seq"`
	Body                          json.RawMessage
}

func (b *bench) dap() *dapClient {
	d := &dapClient{cmd: exec.Command(b.debugger), source: b.source}
	var err error
	d.in, err = d.cmd.StdinPipe()
	check(err)
	out, err := d.cmd.StdoutPipe()
	check(err)
	d.cmd.Stderr = os.Stderr
	check(d.cmd.Start())
	d.out = bufio.NewReaderSize(out, 1<<20)
	d.do("initialize", map[string]any{"adapterID": "dap-windbg", "linesStartAt1": true, "columnsStartAt1": true})
	return d
}

func (d *dapClient) send(command string, args any) int {
	d.seq++
	js, err := json.Marshal(map[string]any{"seq": d.seq, "type": "request", "command": command, "arguments": args})
	check(err)
	_, err = fmt.Fprintf(d.in, "Content-Length: %d\r\n\r\n%s", len(js), js)
	check(err)
	return d.seq
}

func (d *dapClient) read() message {
	length := 0
	for {
		line, err := d.out.ReadString('\n')
		check(err)
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Content-Length:"); ok {
			length, err = strconv.Atoi(strings.TrimSpace(v))
			check(err)
		}
	}
	buf := make([]byte, length)
	_, err := io.ReadFull(d.out, buf)
	check(err)
	var m message
	check(json.Unmarshal(buf, &m))
	return m
}

func (d *dapClient) answer(seq int) message {
	for {
		m := d.read()
		if m.Type == "response" && m.RequestSeq == seq {
			if !m.Success {
				check(fmt.Errorf("%s: %s %s", m.Command, m.Message, m.Body))
			}
			return m
		}
		if m.Type == "event" {
			d.events = append(d.events, m)
		}
	}
}

func (d *dapClient) do(command string, args any) message { return d.answer(d.send(command, args)) }

func (d *dapClient) event(name string) message {
	for {
		for i, m := range d.events {
			if m.Event == name {
				d.events = slices.Delete(d.events, i, i+1)
				return m
			}
		}
		if m := d.read(); m.Type == "event" {
			d.events = append(d.events, m)
		}
	}
}

func (d *dapClient) attach(port, trace string) {
	args := map[string]any{"connection": "gdb:server=127.0.0.1,port=" + port}
	if trace != "" {
		args["trace"] = trace
	}
	seq := d.send("attach", args)
	d.event("initialized")
	d.do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]string{"name": "main"}}})
	d.do("configurationDone", map[string]any{})
	d.answer(seq)
}

// main waits for the stop in main and finds the memory that is read later.
func (d *dapClient) main() {
	d.stopped()
	d.do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{}})
	d.refresh()
	var body struct{ MemoryReference string }
	check(json.Unmarshal(d.do("evaluate", map[string]any{"expression": "&big[0]", "context": "watch", "frameId": d.frame}).Body, &body))
	d.big = body.MemoryReference
}

func (d *dapClient) breakAt(source string, lines ...int) {
	var list []any
	for _, l := range lines {
		list = append(list, map[string]int{"line": l})
	}
	if list == nil {
		list = []any{}
	}
	d.do("setBreakpoints", map[string]any{"source": map[string]string{"path": source}, "breakpoints": list})
}

func (d *dapClient) stopped() {
	var body struct{ ThreadID int }
	check(json.Unmarshal(d.event("stopped").Body, &body))
	d.thread = body.ThreadID
}

// stop sends a request that ends in a stop and waits for it.
func (d *dapClient) stop(command string) {
	d.do(command, map[string]any{"threadId": d.thread})
	d.stopped()
}

// refresh asks what an editor asks at each stop.
func (d *dapClient) refresh() {
	d.do("threads", nil)
	var st struct{ StackFrames []struct{ ID int } }
	check(json.Unmarshal(d.do("stackTrace", map[string]any{"threadId": d.thread, "startFrame": 0, "levels": 20}).Body, &st))
	d.frame = st.StackFrames[0].ID
	var sc struct {
		Scopes []struct {
			VariablesReference int
			Expensive          bool
		}
	}
	check(json.Unmarshal(d.do("scopes", map[string]any{"frameId": d.frame}).Body, &sc))
	for _, s := range sc.Scopes {
		if !s.Expensive {
			d.do("variables", map[string]any{"variablesReference": s.VariablesReference})
		}
	}
}

func (d *dapClient) expand(name string) {
	var body struct{ VariablesReference int }
	check(json.Unmarshal(d.do("evaluate", map[string]any{"expression": name, "context": "watch", "frameId": d.frame}).Body, &body))
	if body.VariablesReference == 0 {
		check(fmt.Errorf("%s cannot be expanded", name))
	}
	d.do("variables", map[string]any{"variablesReference": body.VariablesReference})
}

func (d *dapClient) close() {
	d.in.Close()
	d.cmd.Wait()
}
