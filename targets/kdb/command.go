package kdb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/targets"
)

// effects says what a command makes stale, by its first word.
var effects = map[string]targets.Effect{
	"go": {Resumed: true}, "ss": {Resumed: true}, reboot: {Resumed: true}, "sr": {MemoryChanged: true, ThreadChanged: true},
	"mm": {MemoryChanged: true}, "rm": {ThreadChanged: true}, "kill": {MemoryChanged: true},
	"bp": {TrapsChanged: true}, "bc": {TrapsChanged: true}, "bd": {TrapsChanged: true}, "be": {TrapsChanged: true}, "bph": {TrapsChanged: true},
	"cpu": {ThreadChanged: true}, "pid": {ThreadChanged: true},
}

const reboot = "reboot"

// effectOf says what a line makes stale.
func effectOf(line string) targets.Effect {
	f := strings.Fields(strings.TrimPrefix(line, "-"))
	switch {
	case len(f) == 0:
		return targets.Effect{}
	case strings.HasPrefix(f[0], "ss"): // ssb runs it
		return effects["ss"]
	case f[0] == "sr" && len(f) == 2 && f[1] == "b": // SysRq b
		return effects[reboot]
	case f[0] == "cpu" && len(f) == 1:
		return targets.Effect{}
	}
	return effects[strings.TrimRight(f[0], "1248")]
}

// replaced are words of older kernels' kdb, and what there is in their place. A
// kernel without one would run the command that the word begins with.
var replaced = map[string]string{
	"id": "u, which disassembles", "ll": "dl or !list, which follow lists", "ssb": "ph, which steps to a branch",
	"bpa": "bp: every breakpoint is one of all processors", "bpha": "bph: every breakpoint is one of all processors",
	"rq": "ps, or btc for what runs", "rqa": "ps, or btc for what runs", "stackdepth": "bta", "handlers": "btc",
	"mmW": "mm1, mm2, mm4 or mm8",
}

// maxLine is how long a line kdb reads whole (its buffer is 256 bytes).
const maxLine = 200

// leavesText reports whether kdb would take a line for a packet of the GDB
// remote protocol and change over to it.
func leavesText(line string) bool {
	return strings.HasPrefix(line, "+") || strings.HasPrefix(line, "$") && strings.Contains(line, "#") ||
		strings.Contains(line, "$?#3f") || strings.Contains(line, "$qSupported")
}

var (
	helpWord  = late(`(?m)^([a-z_?][a-z0-9_]*)(?:  |$)`)
	sizedWord = late(`^(md|mm)[1248]?(c[0-9]+)?$`)
)

// ownWords asks for the kernel's commands, once.
func (t *Target) ownWords(ctx context.Context) (map[string]bool, error) {
	t.mu.Lock()
	words := t.words
	t.mu.Unlock()
	if words != nil {
		return words, nil
	}
	out, err := t.command(ctx, "listing kdb's commands", "help")
	if err != nil {
		return nil, err
	}
	words = map[string]bool{}
	if _, table, ok := strings.Cut(out, "-----\n"); ok {
		for _, m := range helpWord().FindAllStringSubmatch(table, -1) {
			words[m[1]] = true
		}
	}
	t.mu.Lock()
	t.words = words
	t.mu.Unlock()
	return words, nil
}

// misread says why the kernel would run another command than the one that is meant.
func (t *Target) misread(ctx context.Context, word string) error {
	_, was := replaced[word]
	if len(word) < 3 && !was || sizedWord().MatchString(word) {
		return nil
	}
	words, err := t.ownWords(ctx)
	if err != nil || words[word] || len(words) == 0 {
		return err
	}
	runs := ""
	for w := range words {
		if strings.HasPrefix(word, w) && len(w) > len(runs) {
			runs = w
		}
	}
	if runs == "" && !was {
		return nil // an address expression, or one it refuses itself
	}
	e := &targets.RefusedError{Op: "passing a command to kdb", Text: "this kernel's kdb has no " + word, Fix: "!kdb -f sends it all the same."}
	if runs != "" {
		e.Text += " and would run " + runs
	}
	if instead := replaced[word]; instead != "" {
		e.Fix = "Use " + instead + ". " + e.Fix
	}
	return e
}

// Command passes a line to kdb. What would hand the line to another protocol is
// refused, and so is a word that this kernel does not have but runs as another.
func (t *Target) Command(ctx context.Context, line string) (string, targets.Effect, error) {
	word, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "-"), " ")
	if err := t.misread(ctx, word); err != nil {
		return "", targets.Effect{}, err
	}
	return t.CommandAnyway(ctx, line)
}

// CommandAnyway passes a line to kdb that may run another command than it says.
func (t *Target) CommandAnyway(ctx context.Context, line string) (string, targets.Effect, error) {
	line = strings.TrimSpace(line)
	word, _, _ := strings.Cut(strings.TrimPrefix(line, "-"), " ")
	switch {
	case word == "kgdb" || strings.ContainsAny(line, "\r\n\b\x7f") || leavesText(line):
		return "", targets.Effect{}, &targets.RefusedError{Op: "passing a command to kdb", Text: "this line would take the console away from the debugger"}
	case len(line) > maxLine:
		return "", targets.Effect{}, &targets.RefusedError{Op: "passing a command to kdb", Text: fmt.Sprintf("kdb reads at most %d characters", maxLine)}
	}
	e := effectOf(line)
	if e.Resumed {
		if err := t.passRun(ctx, line, word == reboot || word == "sr"); err != nil {
			return "", targets.Effect{}, err
		}
		return "", e, nil
	}
	t.mu.Lock()
	before := t.cpu
	t.mu.Unlock()
	out, err := t.command(ctx, line, line)
	if isRefused(err) { // its words are in the answer
		err = nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.astray = t.astray || tasksWord[word]
	if t.cpu != before {
		t.astray, e.ThreadChanged, e.Thread = false, true, threadOf(t.cpu)
	}
	return out, e, err
}

// Query implements targets.Queryer: kdb has nothing of that kind.
func (t *Target) Query(context.Context, targets.Kind, string) ([]byte, error) {
	return nil, errors.ErrUnsupported
}

// Set reboots the machine.
func (t *Target) Set(ctx context.Context, k targets.Kind, _ string, _ []byte) error {
	if k != targets.Reboot {
		return errors.ErrUnsupported
	}
	if err := t.passRun(ctx, reboot, true); err != nil {
		return err
	}
	t.events.Put(targets.Running{Text: "the machine is rebooting"})
	return nil
}

// passRun passes a line that lets the kernel run, from the processor that stopped: kdb
// goes and steps on that one only.
func (t *Target) passRun(ctx context.Context, line string, boots bool) error {
	if err := t.stopped(); err != nil {
		return err
	}
	t.mu.Lock()
	cpu := t.stop.cpu
	t.mu.Unlock()
	if err := t.onCPU(ctx, cpu); err != nil {
		return err
	}
	t.mu.Lock()
	t.passed = true
	t.mu.Unlock()
	err := t.letGo(ctx, line)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed = err == nil
	t.rebooted = err == nil && boots
	return err
}

// tasksWord has the words after which rd tells another task's registers.
var tasksWord = map[string]bool{"pid": true, "btp": true, "btt": true}
