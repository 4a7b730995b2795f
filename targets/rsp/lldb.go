package rsp

import (
	"encoding/json"

	"dap-windbg/targets"
)

// What LLDB's servers say in packets of their own ("Extensions to the GDB Remote
// Protocol" of LLDB's documentation): qProcessInfo tells the process id, which
// their thread ids leave out; x reads memory in bytes; jThreadsInfo lists threads
// with their names.

// dialect is asked of LLDB's servers when they are connected to.
type dialect struct{ process, binary *request }

func (c *Conn) dialect() (d dialect, reqs []*request) {
	if c.kind.name != lldbName {
		return d, nil
	}
	d = dialect{ask("qProcessInfo"), ask("x0,0")}
	return d, []*request{d.process, d.binary}
}

// learn takes the answers in.
func (d dialect) learn(c *Conn, in *processInfo) {
	if d.process == nil {
		return
	}
	pairs(string(d.process.reply), func(key, value string) {
		if pid, ok := parseHex(value); key == "pid" && ok {
			in.shown = int64(pid)
		}
	})
	if string(d.binary.reply) == "OK" {
		c.reads = rawReads
	}
}

// readThreadsInfo lists threads by jThreadsInfo.
func (p *plan) readThreadsInfo(o *targets.ThreadsRead) {
	r := p.ask("jThreadsInfo")
	p.then(func(next *plan) {
		list, err := p.t.parseThreadsInfo(r.reply)
		switch {
		case err == nil:
			o.Threads = list
		case next == nil:
			o.Err = targets.ErrRunning
		default: // a server that does not know it
			next.listThreads(o, "qfThreadInfo", &threadList{})
		}
	})
}

func (t *Target) parseThreadsInfo(data []byte) ([]targets.Thread, error) {
	var rows []struct {
		ID   int64  `json:"tid"`
		Name string `json:"name"`
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, err
	}
	var out []targets.Thread
	for _, row := range rows[:min(len(rows), maxThreads)] {
		out = append(out, targets.Thread{ID: t.id(threadID{thread: row.ID}), Name: row.Name, CPU: -1})
	}
	return out, nil
}
