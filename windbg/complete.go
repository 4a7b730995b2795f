package windbg

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/eval"
)

// This file proposes how a line may go on: commands, their options, names, members,
// registers, files, aliases, events and breakpoints.

// mostCompletions bounds one kind of candidates.
const mostCompletions = 100

// completing is the end of a line that is being typed.
type completing struct {
	i    *Interpreter
	line string
	cmd  *command // of the last statement, nil while its name is being typed
	word string   // what is being typed
	from int      // where it begins
	out  []Completion
}

// Complete lists candidates for the end of line.
func (i *Interpreter) Complete(ctx context.Context, line string) []Completion {
	p := &completing{i: i, line: line}
	p.from = strings.LastIndexAny(line, " \t;,(\"`=+*|&[{<") + 1
	p.word = line[p.from:]
	head, naming := p.statement()
	if naming {
		p.commands(head)
		if p.word != "" && isWord(p.word[0]) { // it may be an expression
			p.members(ctx)
		}
		return p.out
	}
	switch {
	case p.files(), p.members(ctx), p.options(), p.special(ctx):
	case strings.HasPrefix(p.word, "@") || strings.HasPrefix(p.word, "$"):
		p.registers(ctx, p.word[:1])
	case p.word != "":
		p.names(ctx)
	}
	p.aliases()
	return p.out
}

func (p *completing) add(text, help string) {
	if !slices.ContainsFunc(p.out, func(c Completion) bool { return c.Text == text }) {
		p.out = append(p.out, Completion{Text: text, From: p.from, Help: help})
	}
}

// statement finds the command that the end of the line belongs to. naming tells that
// its name is still being typed, from head on.
func (p *completing) statement() (head int, naming bool) {
	for pos := 0; ; {
		s, ok := p.i.commands().next(p.line, pos)
		if !ok {
			return len(p.line), true
		}
		if s.next < len(p.line) && (strings.HasPrefix(p.line[s.next:], ";") || strings.HasPrefix(p.line[s.next:], "\n")) {
			pos = s.next
			continue
		}
		if inner := strings.LastIndexAny(p.line, "{"); inner >= s.pos && s.cmd != nil && s.cmd.Needs&braces != 0 {
			sub := &completing{i: p.i, line: p.line[inner+1:]}
			at, naming := sub.statement()
			p.cmd = sub.cmd
			return inner + 1 + at, naming
		}
		if s.cmd == nil || !strings.ContainsAny(p.line[s.pos:], " \t") && !strings.HasPrefix(s.cmd.Name, "$") {
			return s.pos, true
		}
		p.cmd = s.cmd
		return s.pos, false
	}
}

// commands completes a command's name, from head on.
func (p *completing) commands(head int) {
	typed := strings.TrimLeft(p.line[head:], " \t")
	p.from = len(p.line) - len(typed)
	for _, c := range p.i.commands().names(typed) {
		if c.Needs&absent == 0 {
			p.add(c.Name, c.Help)
		}
	}
	for name, text := range p.i.aliases.user {
		if typed != "" && strings.HasPrefix(name, typed) {
			p.add(name, text)
		}
	}
}

var optionWords = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:^|[\s\[{|(])([/-][A-Za-z0-9]+:?)`) })

// options completes what the command's usage lists, behind the mark.
func (p *completing) options() bool {
	if p.word == "" || p.word[0] != '/' && p.word[0] != '-' || p.cmd == nil {
		return false
	}
	found := false
	for _, m := range optionWords().FindAllStringSubmatch(p.cmd.Usage, -1) {
		if strings.HasPrefix(m[1], p.word) {
			p.add(m[1], p.cmd.Usage)
			found = true
		}
	}
	return found
}

// fileCommands take names of files of this machine, besides those that need local.
var fileCommands = []string{".nvunload", "lsf", "lsf-", ".open", ".sympath", ".sympath+", ".srcpath", ".srcpath+", ".exepath", ".exepath+", ".symfix"}

// files completes the name of a file.
func (p *completing) files() bool {
	if p.cmd == nil || p.i.secure() || p.cmd.Needs&local == 0 && !slices.Contains(fileCommands, p.cmd.Name) {
		return false
	}
	p.options() // one may look like a file of the root folder
	from := strings.LastIndexAny(p.line, " \t;\"<=*") + 1
	dir, base := filepath.Split(p.line[from:])
	look := dir
	if look == "" {
		look = "."
	}
	list, err := os.ReadDir(look)
	if err != nil {
		return false
	}
	p.from = from
	n := 0
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), base) || base == "" && strings.HasPrefix(e.Name(), ".") {
			continue
		}
		name := dir + e.Name()
		if e.IsDir() {
			name += string(filepath.Separator)
		}
		p.add(name, "")
		if n++; n == mostCompletions {
			break
		}
	}
	return true
}

// special completes the arguments of commands that take a kind of their own.
func (p *completing) special(ctx context.Context) bool {
	name := p.cmd.Name
	prefix := func(text, help string) {
		if strings.HasPrefix(strings.ToLower(text), strings.ToLower(p.word)) {
			p.add(text, help)
		}
	}
	switch {
	case strings.HasPrefix(name, "sx") && name != "sx" && name != "sxr":
		for _, f := range p.i.o.Host.Filters() {
			prefix(f.Code, f.Title)
		}
	case slices.Contains([]string{"bc", "bd", "be", "bl", "bs", "bsc", "br"}, name):
		if s := p.i.o.Host.Session(); s != nil {
			s.Look(ctx, func(l *engine.Live) error {
				for _, b := range l.Breakpoints() {
					prefix(strconv.Itoa(b.ID), wish(b.Breakpoint))
				}
				return nil
			})
		}
		prefix("*", "all")
	case name == "r" || name == "rM":
		p.registers(ctx, "")
	case name == "ad" || name == "as" || name == "aS":
		for a, text := range p.i.aliases.user {
			prefix(a, text)
		}
	case name == ".help":
		for _, c := range p.i.commands().names(p.word) {
			p.add(c.Name, c.Help)
		}
	case name == "lm" || name == "lmi" || name == "!lmi" || name == "ld" || name == ".reload" || name == "!dh" || strings.HasSuffix(name, "sourcemaps") || name == "!addsourcemap":
		p.modules(ctx, "")
	default:
		return false
	}
	return true
}

// registers completes registers and pseudo-registers behind mark.
func (p *completing) registers(ctx context.Context, mark string) {
	s := p.i.o.Host.Session()
	if s == nil {
		return
	}
	word := strings.ToLower(strings.TrimPrefix(p.word, mark))
	dollar := mark == "$" || strings.HasPrefix(word, "$")
	s.Look(ctx, func(l *engine.Live) error {
		set := l.Info().Set
		if set == nil || dollar {
			return nil
		}
		for _, r := range set.Regs {
			if strings.HasPrefix(r.Name, word) {
				p.add(mark+r.Name, "register")
			}
		}
		for _, r := range set.Arch.Sub {
			if strings.HasPrefix(r.Name, word) {
				p.add(mark+r.Name, "part of "+r.Of)
			}
		}
		return nil
	})
	if mark == "$" {
		mark, word = "", "$"+word
	}
	for _, name := range pseudoNames {
		if strings.HasPrefix("$"+name, word) {
			p.add(mark+"$"+name, "pseudo-register")
		}
	}
}

// pseudoNames are the pseudo-registers that people type; $t0 to $t19 are added.
var pseudoNames = append(strings.Fields("ip ra csp retreg exentry p exp proc thread peb teb tpid tid frame ptrsize pagesize curprocess curthread curstack curframe cursession"), userRegisters...)

// aliases completes "${name".
func (p *completing) aliases() {
	k := strings.LastIndex(p.line, "${")
	if k < 0 || strings.ContainsAny(p.line[k:], "} ") {
		return
	}
	p.from = k + 2
	for name, text := range p.i.aliases.user {
		if strings.HasPrefix(name, p.line[p.from:]) {
			p.add(name+"}", text)
		}
	}
}

func (p *completing) modules(ctx context.Context, mark string) {
	s := p.i.o.Host.Session()
	if s == nil {
		return
	}
	s.Look(ctx, func(l *engine.Live) error {
		for _, m := range l.Modules() {
			if strings.HasPrefix(strings.ToLower(m.Name), strings.ToLower(p.word)) {
				p.add(m.Name+mark, m.Path)
			}
		}
		return nil
	})
}

// names completes variables of the frame, modules, and symbols: of one module after
// "mod!", else of the main one.
func (p *completing) names(ctx context.Context) {
	s := p.i.o.Host.Session()
	if s == nil || strings.ContainsAny(p.word, "*?[]") {
		return
	}
	typed := p.cmd.Name == "dt" && len(p.word) > 1
	if mod, rest, ok := strings.Cut(p.word, "!"); ok {
		if typed && rest != "" {
			p.types(ctx, s, mod, rest, mod+"!")
		}
		p.symbols(ctx, s, p.word+"*", mod+"!")
		return
	}
	if typed {
		p.types(ctx, s, "", p.word, "")
	}
	s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		vars, err := v.Locals(ctx, nil)
		for _, x := range vars {
			if strings.HasPrefix(x.Name, p.word) {
				p.add(x.Name, eval.TypeName(x.Type))
			}
		}
		return err
	})
	p.modules(ctx, "!")
	main := ""
	s.Look(ctx, func(l *engine.Live) error {
		if list := l.Modules(); len(list) > 0 && list[0].Image != nil {
			main = list[0].Name
		}
		return nil
	})
	if main != "" && len(p.word) > 1 {
		p.symbols(ctx, s, main+"!"+p.word+"*", "")
	}
}

// symbols adds what matches, named behind mark.
func (p *completing) symbols(ctx context.Context, s *engine.Session, pattern, mark string) {
	n := 0
	s.Do(ctx, func(ctx context.Context, v *engine.View) error {
		return v.Symbols(ctx, pattern, func(l engine.Location) bool {
			p.add(mark+l.Symbol.Name, "")
			n++
			return n < mostCompletions
		})
	})
}
