package launch

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// leftover tells of traps that a lost connection may have left in a process.
// Whoever connects to that process next finds them by it: what holds a trap
// where its image does not is put right.
type leftover struct {
	Where   string    `json:"where"` // the machine, "" for this one
	Process int64     `json:"process"`
	Headers arch.Addr `json:"headers"` // where its program headers lie: the number may be another process's now
	Traps   []covered `json:"traps"`
}

// covered is a place where a trap may lie, and what the image has there.
type covered struct {
	Addr  arch.Addr `json:"addr"`
	Bytes []byte    `json:"bytes"`
}

// maxLeftovers bounds the list; the oldest are forgotten first.
const maxLeftovers = 64

// leftovers is kept in the user's cache directory, and by this process in any case.
var leftovers struct {
	sync.Mutex
	list []leftover
}

// leftoverFile is "" where there is no cache directory.
func leftoverFile() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "dap-windbg", "traps.json")
}

// loadLeftovers returns what this and earlier processes left.
func loadLeftovers() []leftover {
	var list []leftover
	if src, err := os.ReadFile(leftoverFile()); err == nil {
		json.Unmarshal(src, &list) // a damaged file is as good as none
	}
	for _, l := range leftovers.list {
		if !slices.ContainsFunc(list, l.same) {
			list = append(list, l)
		}
	}
	return list
}

// saveLeftovers keeps list. Without a cache directory only this process knows it.
func saveLeftovers(list []leftover) {
	if over := len(list) - maxLeftovers; over > 0 {
		list = list[over:]
	}
	leftovers.list = list
	file := leftoverFile()
	text, err := json.Marshal(list)
	if file == "" || err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "traps.*.tmp") // others may save theirs at the same time
	if err != nil {
		return
	}
	_, err = tmp.Write(text)
	if closed := tmp.Close(); err == nil && closed == nil && os.Rename(tmp.Name(), file) == nil {
		return
	}
	os.Remove(tmp.Name())
}

// machine names the machine a process id belongs to, "" for this one.
func machine(p *Plan) string {
	host := ""
	switch {
	case p.Connection != nil:
		host = p.Connection.Get("server")
	case p.ProcessServer != nil:
		if host = p.ProcessServer.Get("server"); host == "." {
			host = ""
		}
		switch {
		case p.ProcessServer.Has("clicon"):
			host = p.ProcessServer.Get("clicon")
		case p.ProcessServer.Protocol == "com":
			host = p.ProcessServer.String() // who knows where the line ends
		}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return ""
	}
	return host
}

// leaveTime bounds finding out what lies under the traps of a lost debuggee.
const leaveTime = time.Second

// leave remembers the traps of a debuggee whose connection was lost.
func (d *Debugger) leave(g *debuggee, where string, traps []arch.Addr) {
	defer d.leaving.Done()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	left := leftover{Where: where, Process: g.target.Info().Process, Headers: headers(ctx, g.target)}
	size := len(g.target.Info().Set.Arch.Break)
	g.session.Look(ctx, func(l *engine.Live) error {
		for _, a := range traps {
			if b := d.beneath(ctx, l.Modules(), a, size); b != nil {
				left.Traps = append(left.Traps, covered{a, b})
			}
		}
		return nil
	})
	if len(left.Traps) == 0 || left.Process == 0 {
		return
	}
	leftovers.Lock()
	defer leftovers.Unlock()
	saveLeftovers(append(slices.DeleteFunc(loadLeftovers(), left.same), left))
}

func (l leftover) same(o leftover) bool { return l.Where == o.Where && l.Process == o.Process }

// headers is where the program headers of t's main image lie, 0 unknown.
func headers(ctx context.Context, t targets.Target) arch.Addr {
	if a, ok := t.(targets.Anchorer); ok {
		if known, err := a.Anchors(ctx); err == nil {
			return known["phdr"]
		}
	}
	return 0
}

// beneath is what the image that lies at a has there, nil when it is not known.
func (d *Debugger) beneath(ctx context.Context, modules []*engine.Module, a arch.Addr, size int) []byte {
	for _, m := range modules {
		if a < m.Base || uint64(a-m.Base) >= m.Size {
			continue
		}
		img := m.Image
		if img == nil {
			var err error
			if img, err = d.files.store.Find(ctx, symbols.Key{Path: m.Path, Name: path.Base(m.Path), BuildID: m.BuildID}); err != nil {
				return nil
			}
		}
		if b := make([]byte, size); img.ReadStatic(symbols.Offset(a-m.Base), b) {
			return b
		}
	}
	return nil
}

// adopt puts right what an earlier, lost connection left in the process. It runs
// before the session plants anything.
func (d *Debugger) adopt(ctx context.Context, t targets.Target) error {
	info := t.Info()
	w, ok := t.(targets.Writer)
	if !ok || info.Process == 0 {
		return nil
	}
	mine := leftover{Where: machine(&d.plan), Process: info.Process}
	left, ok := takeLeftover(mine)
	if !ok || left.Headers != headers(ctx, t) {
		return nil
	}
	mended := 0
	for _, c := range left.Traps {
		have := make([]byte, len(info.Set.Arch.Break))
		if _, err := t.ReadMemory(ctx, targets.Space{}, c.Addr, have); err != nil || len(c.Bytes) != len(have) || !slices.Equal(have, info.Set.Arch.Break) || slices.Equal(have, c.Bytes) {
			continue
		}
		if _, err := w.WriteMemory(ctx, targets.Space{}, c.Addr, c.Bytes); err != nil {
			return fmt.Errorf("clearing the breakpoints that a lost connection left: %w", err)
		}
		mended++
	}
	if mended > 0 {
		d.tell(engine.Important, "Removed %d breakpoint instructions that a lost connection had left.", mended)
	}
	return nil
}

// takeLeftover removes the entry that is about the same process as l and returns it.
func takeLeftover(l leftover) (leftover, bool) {
	leftovers.Lock()
	defer leftovers.Unlock()
	list := loadLeftovers()
	i := slices.IndexFunc(list, l.same)
	if i < 0 {
		return leftover{}, false
	}
	found := list[i]
	saveLeftovers(slices.Delete(list, i, i+1))
	return found, true
}
