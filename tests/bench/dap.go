package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// dapPeer speaks DAP to an adapter: ours, gdb's, lldb's, or one that does nothing.
type dapPeer struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	ask     func(port string) map[string]any // the attach request's arguments
	source  string
	seq     int
	thread  int
	frame   int
	events  []message
	answers []message         // that nobody has asked for yet
	heard   [][]byte          // the contents of messages, nil for each request sent
	places  map[string]string // memory references, by expressions that have no others later
}

type message struct {
	Type, Command, Event, Message string
	Success                       bool
	RequestSeq                    int `json:"request_seq"`
	Body                          json.RawMessage
}

func newDAP(source string, ask func(port string) map[string]any, name string, args ...string) *dapPeer {
	d := &dapPeer{cmd: exec.Command(name, args...), ask: ask, source: source}
	var err error
	d.in, err = d.cmd.StdinPipe()
	check(err)
	out, err := d.cmd.StdoutPipe()
	check(err)
	check(d.cmd.Start())
	d.out = bufio.NewReaderSize(out, 1<<20)
	d.do("initialize", map[string]any{"adapterID": "dap-windbg", "linesStartAt1": true, "columnsStartAt1": true})
	return d
}

func (d *dapPeer) send(command string, args any) int {
	d.seq++
	js, err := json.Marshal(map[string]any{"seq": d.seq, "type": "request", "command": command, "arguments": args})
	check(err)
	d.heard = append(d.heard, nil)
	_, err = fmt.Fprintf(d.in, "Content-Length: %d\r\n\r\n%s", len(js), js)
	check(err)
	return d.seq
}

func (d *dapPeer) read() message {
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
	d.heard = append(d.heard, buf)
	var m message
	check(json.Unmarshal(buf, &m))
	return m
}

func (d *dapPeer) answer(seq int) message {
	for {
		i := slices.IndexFunc(d.answers, func(m message) bool { return m.RequestSeq == seq })
		if i < 0 {
			d.next()
			continue
		}
		m := d.answers[i]
		d.answers = slices.Delete(d.answers, i, i+1)
		if !m.Success {
			check(fmt.Errorf("%s: %s: %s %s", d.cmd.Path, m.Command, m.Message, m.Body))
		}
		return m
	}
}

// next reads one message and keeps it.
func (d *dapPeer) next() {
	switch m := d.read(); m.Type {
	case "response":
		d.answers = append(d.answers, m)
	case "event":
		d.events = append(d.events, m)
	}
}

func (d *dapPeer) do(command string, args any) message { return d.answer(d.send(command, args)) }

func (d *dapPeer) event(names ...string) message {
	for {
		for i, m := range d.events {
			if slices.Contains(names, m.Event) {
				d.events = slices.Delete(d.events, i, i+1)
				return m
			}
		}
		d.next()
	}
}

func (d *dapPeer) attach(port string) {
	seq := d.send("attach", d.ask(port))
	d.event("initialized")
	d.do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{map[string]string{"name": "main"}}})
	d.do("configurationDone", map[string]any{})
	d.answer(seq)
	d.stopped()
	d.refresh()
	d.do("setFunctionBreakpoints", map[string]any{"breakpoints": []any{}})
}

func (d *dapPeer) breakpoints(lines []int, condition string) {
	list := make([]any, len(lines))
	for i, l := range lines {
		b := map[string]any{"line": l}
		if condition != "" {
			b["condition"] = condition
		}
		list[i] = b
	}
	d.do("setBreakpoints", map[string]any{"source": map[string]string{"path": d.source}, "breakpoints": list})
}

// stopped waits for the stop, or for the end of the last run.
func (d *dapPeer) stopped() {
	m := d.event("stopped", "terminated")
	var body struct{ ThreadID int }
	check(json.Unmarshal(m.Body, &body))
	if m.Event == "stopped" && body.ThreadID != 0 {
		d.thread = body.ThreadID
	}
}

func (d *dapPeer) run(how string) {
	d.do(how, map[string]any{"threadId": d.thread})
	d.stopped()
}

func (d *dapPeer) resume() { d.do("continue", map[string]any{"threadId": d.thread}) }

func (d *dapPeer) pause() {
	d.do("pause", map[string]any{"threadId": d.thread})
	d.stopped()
}

func (d *dapPeer) breakNow(lines []int) {
	d.breakpoints(lines, "")
	d.stopped()
}

func (d *dapPeer) threads() []int {
	var body struct{ Threads []struct{ ID int } }
	check(json.Unmarshal(d.do("threads", map[string]any{}).Body, &body))
	ids := make([]int, len(body.Threads))
	for i, t := range body.Threads {
		ids[i] = t.ID
	}
	return ids
}

func (d *dapPeer) frames(thread, from, count int) {
	if thread < 0 {
		thread = d.thread
	}
	var st struct{ StackFrames []struct{ ID int } }
	check(json.Unmarshal(d.do("stackTrace", map[string]any{"threadId": thread, "startFrame": from, "levels": count}).Body, &st))
	if thread == d.thread && from == 0 && len(st.StackFrames) > 0 {
		d.frame = st.StackFrames[0].ID
	}
}

// scope opens the scopes of the frame that are wanted.
func (d *dapPeer) scope(want func(name string, expensive bool) bool) {
	var sc struct {
		Scopes []struct {
			Name               string
			VariablesReference int
			Expensive          bool
		}
	}
	check(json.Unmarshal(d.do("scopes", map[string]any{"frameId": d.frame}).Body, &sc))
	for _, s := range sc.Scopes {
		if want(s.Name, s.Expensive) {
			d.open(s.VariablesReference, nil)
		}
	}
}

// registerGroup tells registers from other scopes and, within them, from flags.
var registerGroup = regexp.MustCompile(`(?i)^registers$|^general purpose`)

func isLocal(name string, expensive bool) bool {
	return !expensive && (name == "Locals" || name == "Arguments")
}

func (d *dapPeer) locals() { d.scope(isLocal) }

func (d *dapPeer) registers() {
	d.scope(func(name string, _ bool) bool { return registerGroup.MatchString(name) })
}

type variable struct {
	Name                                 string
	VariablesReference, IndexedVariables int
	MemoryReference, Value, Result       string
}

// open asks for a node's children, and returns them.
func (d *dapPeer) open(ref int, page map[string]any) []variable {
	args := map[string]any{"variablesReference": ref}
	for k, v := range page {
		args[k] = v
	}
	var body struct{ Variables []variable }
	check(json.Unmarshal(d.do("variables", args).Body, &body))
	return body.Variables
}

func (d *dapPeer) refresh() {
	d.threads()
	d.frames(-1, 0, 20)
	d.locals()
}

func (d *dapPeer) value(expr string) variable {
	var v variable
	check(json.Unmarshal(d.do("evaluate", map[string]any{"expression": expr, "context": "watch", "frameId": d.frame}).Body, &v))
	return v
}

func (d *dapPeer) evaluate(expr string) { d.value(expr) }

func (d *dapPeer) elements(expr string, from, count int) {
	v := d.value(expr)
	page := map[string]any{"start": from, "count": count}
	if v.IndexedVariables > 0 {
		page["filter"] = "indexed"
	}
	if got := d.open(v.VariablesReference, page); len(got) < count {
		check(fmt.Errorf("%s: %s has %d elements of %d", d.cmd.Path, expr, len(got), count))
	}
}

func (d *dapPeer) tree(expr string) { d.branch(d.value(expr).VariablesReference) }

func (d *dapPeer) branch(ref int) {
	for _, v := range d.open(ref, nil) {
		if v.VariablesReference != 0 && v.Name != "name" {
			d.branch(v.VariablesReference)
		}
	}
}

var address = regexp.MustCompile(`0x[0-9a-f]+`)

func (d *dapPeer) memory(expr string, count int) {
	if at := d.place(expr); count > 0 {
		d.do("readMemory", map[string]any{"memoryReference": at, "count": count})
	}
}

// place is the memory reference of an expression that yields the same address always.
func (d *dapPeer) place(expr string) string {
	if at, ok := d.places[expr]; ok {
		return at
	}
	v := d.value(expr)
	if v.MemoryReference == "" {
		v.MemoryReference = address.FindString(v.Result)
	}
	if v.MemoryReference == "" { // shown as the text that is there
		v.MemoryReference = address.FindString(d.value("(void *)(" + expr + ")").Result)
	}
	if d.places == nil {
		d.places = map[string]string{}
	}
	d.places[expr] = v.MemoryReference
	return v.MemoryReference
}

func (d *dapPeer) disassemble(count int) {
	var st struct {
		StackFrames []struct{ InstructionPointerReference string }
	}
	check(json.Unmarshal(d.do("stackTrace", map[string]any{"threadId": d.thread, "startFrame": 0, "levels": 1}).Body, &st))
	d.do("disassemble", map[string]any{"memoryReference": st.StackFrames[0].InstructionPointerReference, "instructionCount": count})
}

func (d *dapPeer) disconnect() {
	d.do("disconnect", map[string]any{"terminateDebuggee": true})
}

func (d *dapPeer) leave() {
	d.in.Close()
	d.cmd.Wait()
}

func (d *dapPeer) process() *os.Process { return d.cmd.Process }
