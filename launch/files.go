package launch

import (
	"context"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/symbols/index"
	"dap-windbg/symbols/store"
)

// files is the symbol store of a Debugger and its paths as people write them.
type files struct {
	store *store.Store
	index *index.Cache // nil: indexes are not kept
	noisy atomic.Bool

	kernels kernelImages
}

// newFiles makes the store with the plan's paths, or those of the environment.
func newFiles(d *Debugger) (*files, error) {
	p := &d.plan
	f := &files{}
	if dir, err := index.DefaultDir(); err == nil && !p.NoIndexCache {
		f.index = &index.Cache{Dir: dir}
	}
	o := store.Options{
		Open: f.openImage,
		Remote: func(ctx context.Context, path string) (io.ReadCloser, error) {
			return d.remoteFile(ctx, path)
		},
		Noisy: func(a symbols.Attempt) { d.tell(engine.FromDebugger, "SYMSRV: %s - %s", a.Place, a.Result) },
		Progress: func(place string, done, total int64) {
			if d.hooks.Progress != nil {
				part := -1.0
				if total > 0 {
					part = float64(done) / float64(total)
				}
				d.hooks.Progress(place, part)
			}
		},
		SymbolPath: withServers(orEnv(p.SymbolPath, "_NT_ALT_SYMBOL_PATH", "_NT_SYMBOL_PATH"), p.DebugInfoD),
		SourcePath: withServers(orEnv(p.SourcePath, "_NT_SOURCE_PATH"), p.DebugInfoD),
		ImagePath:  orEnv(p.ImagePath, "_NT_EXECUTABLE_IMAGE_PATH"),
		Sysroot:    p.Sysroot, Foreign: machine(p) != "",
		DebugInfoD: environmentServers(),
	}
	limitsFromEnvironment(&o)
	var err error
	f.store, err = store.New(o)
	if err != nil {
		return nil, &ConfigError{Field: "symbolPath", Value: p.SymbolPath, Want: err.Error()}
	}
	maps := map[string]string{}
	for _, m := range p.SourceMap {
		maps[m.From] = m.To
	}
	f.store.SetSourceMap(maps)
	f.warn(d, slices.Concat(f.store.SymbolPath(), f.store.SourcePath(), f.store.ImagePath()))
	return f, nil
}

// orEnv is path, else what the environment says: the variables that are set, in
// their order.
func orEnv(path string, names ...string) string {
	if path != "" {
		return path
	}
	var set []string
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			set = append(set, v)
		}
	}
	return strings.Join(set, ";")
}

// environmentServers are the servers that a DebugInfoD* entry without URLs stands
// for. Distributions set the variable for everybody: it alone asks no server.
func environmentServers() []string {
	return slices.DeleteFunc(strings.Fields(os.Getenv("DEBUGINFOD_URLS")), func(word string) bool {
		return !strings.Contains(word, "://") // newer clients have other words here
	})
}

// limitsFromEnvironment takes the limits that libdebuginfod takes (debuginfod_find_debuginfo(3)).
func limitsFromEnvironment(o *store.Options) {
	number := func(name string) int64 {
		n, err := strconv.ParseInt(os.Getenv(name), 10, 64)
		if err != nil || n <= 0 {
			return 0
		}
		return n
	}
	o.MaxSize = number("DEBUGINFOD_MAXSIZE")
	o.Retries = int(min(number("DEBUGINFOD_RETRY_LIMIT"), 100))
	o.Stall = time.Duration(min(number("DEBUGINFOD_TIMEOUT"), 24*3600)) * time.Second
}

// warn tells of servers that are spoken to in the clear.
func (f *files) warn(d *Debugger, elements []store.Element) {
	for _, server := range store.Clear(elements) {
		d.tell(engine.FromDebugger, "WARNING: %s is not encrypted: files from it may be read and changed on their way, and only build-ids are compared", server)
	}
}

// withServers adds debuginfod servers to a path.
func withServers(path string, servers []string) string {
	if len(servers) == 0 {
		return path
	}
	entry := "DebugInfoD*" + strings.Join(servers, "*")
	if path == "" {
		return entry
	}
	return path + ";" + entry
}

func (f *files) close() {
	if f != nil {
		f.store.Close()
		f.kernels.close()
		if f.index != nil {
			f.index.Close()
		}
	}
}

// setNoisy turns chatter on or off; who wants to hear of the places wants them asked.
func (f *files) setNoisy(on bool) bool {
	if on {
		f.store.Forget()
	}
	f.store.SetNoisy(on)
	return f.noisy.Swap(on)
}

func (f *files) elements(kind string) []store.Element {
	switch kind {
	case "src":
		return f.store.SourcePath()
	case "exe":
		return f.store.ImagePath()
	}
	return f.store.SymbolPath()
}

// path is a search path as it is shown, without passwords; "fix" is what .symfix sets.
func (f *files) path(kind string) string {
	if kind == "fix" {
		if len(environmentServers()) > 0 {
			return "srv*;DebugInfoD*"
		}
		return "srv*"
	}
	return store.Redact(store.Join(f.elements(kind)))
}

// setPath replaces a search path. An entry that is shown without its password may
// be given back like that.
func (f *files) setPath(d *Debugger, kind, path string) (string, error) {
	set := map[string]func(string) error{"sym": f.store.SetSymbolPath, "src": f.store.SetSourcePath, "exe": f.store.SetImagePath}[kind]
	if set == nil {
		return "", &UnavailableError{What: "there is no path called " + kind}
	}
	old := f.elements(kind)
	fresh, err := store.Parse(path)
	if err != nil {
		return "", err
	}
	var added []store.Element
	for i := range fresh {
		at := slices.IndexFunc(old, func(e store.Element) bool { return store.Redact(e.String()) == store.Redact(fresh[i].String()) })
		switch {
		case at < 0:
			added = append(added, fresh[i])
		case strings.Contains(fresh[i].String(), "xxxxx"):
			fresh[i] = old[at]
		}
	}
	if err := set(store.Join(fresh)); err != nil {
		return "", err
	}
	f.warn(d, added)
	return store.Redact(store.Expand(f.elements(kind))), nil
}
