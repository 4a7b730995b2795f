package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"dap-windbg/engine"
	"dap-windbg/launch"
	"dap-windbg/symbols"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// maxSource bounds the text of one source file, bytes.
const maxSource = 16 << 20

// sources tells which recorded files the client can open itself, and numbers
// the others. Nothing here waits for a network: what is not on this machine is
// looked for when the client asks for its text.
type sources struct {
	rules    []launch.PathMap
	dirs     func() string // the source path, directories separated by ;
	uri      bool          // the client spells paths as URIs
	away     bool          // the client's files are of another machine: of ours it opens none by their paths
	leaps    bool          // the client goes to the first frame that has a source, whether there is text or not
	known    map[string]*dap.Source
	refs     map[int]sourceRef
	byFile   map[string]int
	recorded map[string]string // by local path: what the debug information calls it
	bound    map[string]string // by recorded path: the local file the client set breakpoints in
}

type sourceRef struct {
	file   string
	module *engine.Module
}

// forget drops what was found, after modules or the source path have changed.
func (t *sources) forget() { t.known = nil }

// of describes a file recorded in a module's debug information.
func (t *sources) of(file string, m *engine.Module) *dap.Source {
	if out, ok := t.known[file]; ok {
		return out
	}
	if t.known == nil {
		t.known = map[string]*dap.Source{}
	}
	out := &dap.Source{Name: baseName(file)}
	if local, ok := t.local(file); ok {
		out.Path = t.spell(local)
		if t.recorded == nil {
			t.recorded = map[string]string{}
		}
		t.recorded[local] = file
	} else {
		out.SourceReference, out.Origin, out.PresentationHint = t.ref(file, m), file, "deemphasize"
	}
	t.known[file] = out
	return out
}

// ofFrame is of, nil where a client that leaps would find nothing: it shall go to a
// caller instead.
func (t *sources) ofFrame(file string, m *engine.Module) *dap.Source {
	out := t.of(file, m)
	if t.leaps && out.SourceReference > 0 && (t.dirs == nil || !strings.Contains(strings.ToLower(t.dirs()), "debuginfod*")) {
		return nil
	}
	return out
}

func (t *sources) ref(file string, m *engine.Module) int {
	id, ok := t.byFile[file]
	if !ok {
		if t.refs == nil {
			t.refs, t.byFile = map[int]sourceRef{}, map[string]int{}
		}
		id = len(t.refs) + 1
		t.refs[id], t.byFile[file] = sourceRef{file, m}, id
	}
	return id
}

// local finds the file on this machine: by a rule, as recorded, or below a
// directory of the source path by the longest tail of its path.
func (t *sources) local(file string) (string, bool) {
	if t.away {
		return t.localThere(file)
	}
	for _, r := range t.rules {
		if rest, ok := below(file, r.From); ok {
			if p := filepath.Join(r.To, filepath.FromSlash(rest)); isFile(p) {
				return p, true
			}
		}
	}
	if isFile(file) {
		return filepath.Clean(file), true
	}
	if p, ok := t.bound[file]; ok && isFile(p) {
		return p, true
	}
	if t.dirs == nil {
		return "", false
	}
	parts := strings.Split(strings.ReplaceAll(file, `\`, "/"), "/")
	for _, dir := range strings.Split(t.dirs(), ";") {
		if dir = strings.TrimSpace(dir); dir == "" || strings.Contains(dir, "*") {
			continue
		}
		for i := range parts {
			if p := filepath.Join(append([]string{dir}, parts[i:]...)...); parts[i] != ".." && isFile(p) {
				return p, true
			}
		}
	}
	return "", false
}

// localThere is local for a client elsewhere: by a rule, or where it has set breakpoints.
func (t *sources) localThere(file string) (string, bool) {
	if p, ok := t.bound[file]; ok {
		return p, true
	}
	for _, r := range t.rules {
		rest, ok := below(file, r.From)
		if !ok {
			continue
		}
		if strings.Contains(r.To, `\`) {
			return strings.TrimRight(r.To, `\`) + `\` + strings.ReplaceAll(rest, "/", `\`), true
		}
		return strings.TrimRight(r.To, "/") + "/" + rest, true
	}
	return "", false
}

// original is what the debug information calls a local file.
func (t *sources) original(local string) string {
	if file, ok := t.recorded[filepath.Clean(local)]; ok {
		return file
	}
	return t.mapped(local)
}

// names are what the debug information may call a local file: by the rules, and
// otherwise. They do not lose a name as more is found out.
func (t *sources) names(local string) (file string, aliases []string) {
	file, aliases = t.mapped(local), t.aliases(local)
	if known, ok := t.recorded[filepath.Clean(local)]; ok && known != file {
		aliases = append([]string{known}, aliases...)
	}
	return file, aliases
}

// mapped is local by the rules.
func (t *sources) mapped(local string) string {
	for _, r := range t.rules {
		if rest, ok := below(filepath.ToSlash(local), filepath.ToSlash(r.To)); ok {
			if t.away {
				rest = strings.ReplaceAll(rest, `\`, "/")
			}
			return strings.TrimSuffix(r.From, "/") + "/" + rest
		}
	}
	return local
}

// aliases are other names debug information may have for a local file: its
// path below a directory of the source path, then tails of at least two elements.
func (t *sources) aliases(local string) []string {
	var list []string
	slash := filepath.ToSlash(local)
	if t.away {
		slash = strings.ReplaceAll(slash, `\`, "/")
	}
	if t.dirs != nil {
		for _, dir := range strings.Split(t.dirs(), ";") {
			if dir = strings.TrimSpace(dir); dir == "" || strings.Contains(dir, "*") {
				continue
			}
			if rest, ok := below(slash, filepath.ToSlash(dir)); ok && rest != "" {
				list = append(list, rest)
			}
		}
	}
	parts := strings.Split(strings.Trim(slash, "/"), "/")
	for n := min(4, len(parts)-1); n >= 2; n-- {
		list = append(list, strings.Join(parts[len(parts)-n:], "/"))
	}
	return list
}

// learn notes that a local file is the recorded one.
func (t *sources) learn(local, file string) {
	if t.recorded == nil {
		t.recorded = map[string]string{}
	}
	t.recorded[filepath.Clean(local)] = file
	if t.bound == nil {
		t.bound = map[string]string{}
	}
	t.bound[file] = local
	delete(t.known, file)
}

// below reports whether file is dir or in it, and the rest.
func below(file, dir string) (string, bool) {
	dir = strings.TrimRight(dir, `/\`)
	rest, ok := strings.CutPrefix(file, dir)
	if !ok || rest != "" && rest[0] != '/' && rest[0] != '\\' {
		return "", false
	}
	return strings.TrimLeft(rest, `/\`), true
}

func isFile(p string) bool {
	i, err := os.Stat(p)
	return err == nil && i.Mode().IsRegular()
}

// baseName is the last element of a path of either kind.
func baseName(file string) string { return path.Base(strings.ReplaceAll(file, `\`, "/")) }

// spell writes a local path as the client wants it.
func (t *sources) spell(p string) string {
	if !t.uri {
		return p
	}
	p = filepath.ToSlash(p)
	if !strings.HasPrefix(p, "/") {
		p = "/" + p // a drive letter
	}
	return (&url.URL{Scheme: "file", Path: p}).String()
}

// read undoes spell.
func (t *sources) read(p string) string {
	if !strings.HasPrefix(p, "file://") {
		return p
	}
	u, err := url.Parse(p)
	if err != nil {
		return p
	}
	out := u.Path
	if len(out) > 2 && out[2] == ':' {
		out = out[1:]
	}
	return filepath.FromSlash(out)
}

// recordedFile is the debug information's name of the file a client speaks of,
// as far as it is known. Line is one of those asked for.
func (s *session) recordedFile(ctx context.Context, src dap.Source, line int) string {
	if ref, ok := s.sources.refs[src.SourceReference]; ok && src.SourceReference > 0 {
		return ref.file
	}
	local := s.sources.read(src.Path)
	file := s.sources.original(local)
	if file != local || local == "" || s.engine() == nil {
		return file
	}
	if _, ok := s.codeAt(ctx, file, line); ok {
		return file
	}
	for _, alias := range s.sources.aliases(local) {
		if recorded, ok := s.codeAt(ctx, alias, line); ok {
			s.sources.learn(local, recorded)
			return recorded
		}
	}
	return file
}

// codeAt finds what the debug information calls a file that has code for a line;
// while the debuggee runs only symbols that are loaded are searched.
func (s *session) codeAt(ctx context.Context, file string, line int) (recorded string, ok bool) {
	err := s.stopped(ctx, func(v *inspection) error {
		places, err := v.Places(v.ctx, file, line)
		if len(places) > 0 {
			recorded = places[0].Line.File
		}
		return err
	})
	if errors.Is(err, targets.ErrRunning) {
		s.look(ctx, func(l *engine.Live) error {
			for _, m := range l.Modules() {
				if lines, ok := m.Image.(symbols.Liner); ok {
					if p := lines.Places(file, line); len(p) > 0 {
						recorded = p[0].Line.File
						return nil
					}
				}
			}
			return nil
		})
	}
	return recorded, recorded != ""
}

// line and column turn the debugger's numbers, which count from 1, into the
// client's; engineLine goes the other way. An unknown column is the first.
func (s *session) line(n int) int {
	if !s.client.LinesStartAt1 {
		return n - 1
	}
	return n
}

func (s *session) column(n int) int {
	n = max(n, 1)
	if !s.client.ColumnsStartAt1 {
		return n - 1
	}
	return n
}

func (s *session) engineLine(n int) int {
	if !s.client.LinesStartAt1 {
		return n + 1
	}
	return n
}

func (s *session) engineColumn(n int) int {
	if n > 0 && !s.client.ColumnsStartAt1 {
		return n + 1
	}
	return n
}

// source sends the text of a file the client does not have.
func (s *session) source(r *request, a *dap.SourceArguments) (any, error) {
	id := a.SourceReference
	if a.Source != nil && a.Source.SourceReference > 0 {
		id = a.Source.SourceReference
	}
	ref, ok := s.sources.refs[id]
	if !ok && a.Source != nil && a.Source.Path != "" {
		path := s.sources.read(a.Source.Path)
		if s.o.Guest == nil {
			return sourceText(path)
		}
		if ref.file, ok = s.sources.recorded[filepath.Clean(path)]; !ok {
			return nil, fmt.Errorf("%s is no source that the debug information names, and other files of the session's machine are not for guests", path)
		}
	}
	if !ok {
		return nil, fmt.Errorf("there is no source %d", id)
	}
	if local, ok := s.sources.local(ref.file); ok && s.o.Guest == nil { // a guest's rules are of its own machine
		return sourceText(local)
	}
	es := s.engine()
	if es == nil {
		return nil, errNoDebuggee
	}
	return s.aside(r, func(ctx context.Context) (any, error) {
		var m *engine.Module
		err := es.Look(ctx, func(*engine.Live) error {
			if ref.module != nil {
				snapshot := *ref.module
				m = &snapshot
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		ctx, cancel := s.unlessRunning(ctx)
		defer cancel()
		local, err := es.Source(ctx, m, ref.file)
		if cause := context.Cause(ctx); err != nil && errors.Is(cause, targets.ErrRunning) {
			err = cause
		}
		if err != nil {
			return nil, fmt.Errorf("source of %s: %w", ref.file, err)
		}
		return sourceText(local)
	})
}

// runningLimit is how long a request waits for the files of a far end that cannot be
// asked before its program stops.
const runningLimit = 3 * time.Second

// unlessRunning is ctx, which ends with targets.ErrRunning when the program still runs
// after a while.
func (s *session) unlessRunning(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	s.workers.start(func() {
		tick := time.NewTicker(runningLimit)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if s.running.Load() {
					cancel(targets.ErrRunning)
				}
			}
		}
	})
	return ctx, func() { cancel(context.Canceled) }
}

// sourceText reads a file, of those that debug information or the client named.
func sourceText(local string) (any, error) {
	if i, err := os.Stat(local); err == nil && !i.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, fmt.Errorf("%s is no file", local)
	}
	f, err := os.Open(local)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSource))
	if err != nil {
		return nil, err
	}
	return dap.SourceResponseBody{Content: strings.ToValidUTF8(string(b), "\uFFFD"), MimeType: mimeType(local)}, nil
}

func mimeType(file string) string {
	switch strings.ToLower(path.Ext(baseName(file))) {
	case ".c", ".h":
		return "text/x-c"
	case ".cc", ".cpp", ".cxx", ".hpp", ".hh":
		return "text/x-c++"
	case ".rs":
		return "text/x-rust"
	case ".s", ".asm":
		return "text/x-asm"
	}
	return "text/plain"
}

func (s *session) locations(r *request, a *locationsArguments) (any, error) {
	p, ok := s.ids.places[a.LocationReference]
	if !ok {
		return nil, s.ids.unknown("location", a.LocationReference)
	}
	body := locationsBody{Source: *s.sources.of(p.line.File, p.module), Line: s.line(p.line.Line)}
	if p.line.Column > 0 {
		body.Column = s.column(p.line.Column)
	}
	return body, nil
}
