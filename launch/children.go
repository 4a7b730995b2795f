package launch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/targets"
)

// Child is a process that came of a fork of the debuggee and waits for a session of
// its own, which Start makes of the Plan of a ChildConfiguration, or for Release.
type Child struct {
	Token           string
	Process, Parent int64
	Path            string // of its image, "" unknown
}

// Nursery keeps children from their birth until their sessions begin. All sessions
// of a server share one.
type Nursery struct {
	mu      sync.Mutex
	waiting map[string]*debuggee
}

// tokenField is the attribute of an attach configuration that names a child. Editors
// hand attributes with such names on, and never write them.
const tokenField = "__child"

// put keeps g until take.
func (n *Nursery) put(g *debuggee) (token string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		n.waiting = map[string]*debuggee{}
	}
	token = rand.Text()
	n.waiting[token] = g
	return token
}

func (n *Nursery) take(token string) (*debuggee, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	g, ok := n.waiting[token]
	delete(n.waiting, token)
	return g, ok
}

// of lists the tokens of d's children.
func (n *Nursery) of(d *Debugger) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Collect(maps.Keys(n.waiting)), func(t string) bool { return n.waiting[t].parent != d })
}

// Has reports whether a child with this token waits.
func (n *Nursery) Has(token string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, ok := n.waiting[token]
	return ok
}

// ChildConfiguration makes the attach configuration of a child out of its parent's:
// what both requests know, and the child's token.
func ChildConfiguration(parent json.RawMessage, c Child) map[string]any {
	out := map[string]any{}
	var raw map[string]any
	if json.Unmarshal(parent, &raw) == nil {
		for _, f := range Fields {
			if v, ok := raw[f.Name]; ok && f.In == inBoth && !slices.Contains(parents, f.Name) {
				out[f.Name] = v
			}
		}
	}
	out["type"], out["request"], out[tokenField] = "dap-windbg", "attach", c.Token
	out["name"] = fmt.Sprintf("%s (%d)", filepath.Base(c.Path), c.Process)
	return out
}

// parents are attributes that say how the parent was reached or what was to be done
// to it alone.
var parents = []string{"program", "gdbserver", "processServer", "trace", "initCommands", "postConnectCommands", "stopOnConnect"}

// claim makes the debuggee of the child that p names.
func (d *Debugger) claim(p *Plan) (*debuggee, error) {
	if d.hooks.Nursery != nil {
		if g, ok := d.hooks.Nursery.take(p.Child); ok {
			g.parent = nil
			return g, nil
		}
	}
	return nil, &ReachError{What: "the child process does not wait any more",
		Fix: "it was let go when its parent's session ended; attach to it by its processId"}
}

// follow is the engine's question at a fork.
func (d *Debugger) follow() engine.Follow {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.plan.FollowForks {
	case "child":
		return engine.FollowChild
	case "none":
		return engine.FollowNone
	case "both":
		if d.hooks.Family || d.hooks.Child != nil && d.hooks.Nursery != nil {
			return engine.FollowBoth
		}
	}
	return engine.FollowParent
}

// lonely tells that children cannot be debugged although that was asked for.
func (d *Debugger) lonely() {
	if p := d.Plan(); p.FollowForks == "both" && d.follow() == engine.FollowParent {
		d.tell(engine.Important, "followForks \"both\" needs a client that begins sessions when asked to (startDebugging); this one does not, so child processes run on by themselves.")
	}
}

// from receives the events of g's session, in its loop.
func (d *Debugger) from(g *debuggee, e engine.Event) {
	switch e := e.(type) {
	case engine.ChildStarted:
		d.born(g, e.Child)
		return
	case engine.Became:
		g.guard.follow(e, g.created)
	}
	if d.hooks.Family {
		if e = d.passes(g, e); e == nil {
			return
		}
	}
	d.emit(e)
}

// born sees to a child of g: it joins the family, or is offered to the front end.
func (d *Debugger) born(g *debuggee, c *engine.Child) {
	info := c.Target.Info()
	n := &debuggee{target: c.Target, child: c, server: g.server, created: g.created, parent: d}
	if n.server != nil {
		n.server.shared.Add(1)
	}
	if d.hooks.Family {
		go d.raise(n)
		return
	}
	d.hooks.Child(Child{Token: d.hooks.Nursery.put(n), Process: info.Process, Parent: c.Parent, Path: info.Path})
}

// Release lets a child run by itself that nobody will debug; waited is false when
// its session has begun, or it was let go before.
func (n *Nursery) Release(ctx context.Context, token string) (waited bool, err error) {
	g, ok := n.take(token)
	if !ok {
		return false, nil
	}
	return true, g.release(ctx)
}

func (g *debuggee) release(ctx context.Context) error {
	err := g.child.Release(ctx)
	if errors.Is(err, targets.ErrGone) {
		err = nil
	}
	g.free()
	return err
}

// leaveChildren parts from all children whose sessions never began.
func (d *Debugger) leaveChildren(ctx context.Context, how targets.Parting) {
	if d.hooks.Nursery == nil {
		return
	}
	for _, token := range d.hooks.Nursery.of(d) {
		if g, ok := d.hooks.Nursery.take(token); ok {
			g.target.Close(ctx, how)
			g.free()
		}
	}
}

// follow tells the guard of another process in the first one's place, and of the
// traps it came with.
func (g *guard) follow(e engine.Became, created bool) {
	if g == nil || e.Process == e.Was {
		return
	}
	for _, x := range e.Traps {
		g.note(fmt.Sprintf("Z0,%x,%d", uint64(x), e.TrapSize))
	}
	g.entrust(e.Process, created, breaker != nil)
}
