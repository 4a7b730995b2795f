package dapclient

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"strconv"

	"github.com/google/go-dap"
)

// Walker sends requests at random, and remembers what the answers let one ask about.
type Walker struct {
	*rand.Rand
	C    *Client
	Open []int // requests, as sent

	Threads, Frames, Refs, IDs []int    // IDs of targets, to step into or go to
	Places                     []string // memory references
}

// Seeds are those of n walks; WALK_SEED runs one again.
func Seeds(first, n uint64) (seeds []uint64) {
	if s, err := strconv.ParseUint(os.Getenv("WALK_SEED"), 10, 64); err == nil {
		return []uint64{s}
	}
	for s := first; s < first+n; s++ {
		seeds = append(seeds, s)
	}
	return seeds
}

// Pick is one of a list.
func (w *Walker) Pick(list ...any) any { return list[w.IntN(len(list))] }

// Send sends a request without waiting for its answer.
func (w *Walker) Send(command string, args any) int {
	seq := w.C.Send(command, args)
	w.Open = append(w.Open, seq)
	return seq
}

// Learn remembers what is in an answer.
func (w *Walker) Learn(m *Message) {
	var body struct {
		StackFrames []dap.StackFrame
		Scopes      []dap.Scope
		Variables   []dap.Variable
		Threads     []dap.Thread
		Targets     []struct{ Id int }
		Reference   int `json:"variablesReference"`
	}
	if json.Unmarshal(m.Body, &body) != nil {
		return
	}
	for _, f := range body.StackFrames {
		w.Frames = append(w.Frames, f.Id)
		w.Places = append(w.Places, f.InstructionPointerReference)
	}
	for _, s := range body.Scopes {
		w.Refs = append(w.Refs, s.VariablesReference)
	}
	for _, v := range body.Variables {
		if v.VariablesReference > 0 {
			w.Refs = append(w.Refs, v.VariablesReference)
		}
		if v.MemoryReference != "" {
			w.Places = append(w.Places, v.MemoryReference)
		}
	}
	for _, x := range body.Threads {
		w.Threads = append(w.Threads, x.Id)
	}
	for _, x := range body.Targets {
		w.IDs = append(w.IDs, x.Id)
	}
	if body.Reference > 0 {
		w.Refs = append(w.Refs, body.Reference)
	}
}

// Answered waits until every request that was sent has its answer.
func (w *Walker) Answered() {
	for _, seq := range w.Open {
		if _, err := w.C.Answer(seq); err != nil {
			w.C.t.Fatalf("%s: %v", w.C.Name(seq), err)
		}
	}
}
