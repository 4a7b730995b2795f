package windbg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// This file is .shell, memory of the debuggee that commands allocate, and images
// compared with their files.

var toolCommands = []command{
	{".shell", `.shell [-ci "cmds"] Command`, "run a command of this machine's shell, with what debugger commands print as its input; only where the front end allows it", local, shell},
	{".dvalloc", ".dvalloc [/b Addr] Size", "allocate memory in the debuggee, by a call of mmap", stopped | powerful, allocate},
	{".dvfree", ".dvfree [/d] Addr Size", "free such memory, by a call of munmap", stopped | powerful, release},
	{"!chkimg", "!chkimg [-d] Module", "compare an image's code with its file; -d shows each difference", stopped, checkImage},
	{"dtx", "dtx [-r[N]] [-n] [mod!]Type Addr", "an instance of a type as dx shows it", stopped, displayTyped},
	{".createdir", ".createdir [Dir]", "folder in which .create starts programs", anytime, createFolder},
}

// shell is .shell.
func shell(ctx context.Context, c *call) error {
	input := ""
	for {
		o, ok := c.option("-")
		if !ok {
			break
		}
		switch {
		case o == "ci":
			text, ok := c.quoted()
			if !ok {
				return c.syntax(0)
			}
			out, err := c.captured(ctx, text)
			if err != nil {
				return err
			}
			input = out
		case o == "x", o == "i", o == "o", o == "e": // windows and pipes of its own are the front end's
		default:
			return c.syntax(-len(o) - 1)
		}
	}
	text := c.all()
	if text == "" {
		return c.syntax(0)
	}
	if c.i.shared() {
		return &Error{Text: ".shell is not allowed in a shared session"}
	}
	if c.i.o.Shell == nil {
		return &Error{Text: ".shell is not allowed here", Fix: "dap-windbg cdb -shell allows it"}
	}
	err := c.i.o.Shell(ctx, text, strings.NewReader(input), c.out)
	if err != nil {
		return &Error{Text: fmt.Sprintf(".shell: %v", err), Err: err}
	}
	c.printf(".shell: Process exited\n")
	return nil
}

// systemCall evaluates a call in the debuggee.
func (c *call) systemCall(ctx context.Context, src string) (uint64, error) {
	val, err := c.v.Eval(ctx, nil, src, eval.Options{Dialect: eval.CPP, Calls: true})
	if err != nil {
		return 0, err
	}
	return eval.Int(ctx, c.v.Env(nil), val)
}

// allocate is .dvalloc: private memory to read and write (PROT 3, MAP 0x22), at the
// address of /b when that is free.
func allocate(ctx context.Context, c *call) error {
	base := uint64(0)
	if o, ok := c.option("/"); ok {
		if o != "b" {
			return c.syntax(-len(o) - 1)
		}
		a, err := c.address(ctx)
		if err != nil {
			return err
		}
		base = uint64(a)
	}
	if !c.more() {
		return c.syntax(0)
	}
	n, err := c.lastNumber(ctx, 0)
	if err != nil {
		return err
	}
	if n == 0 || n > 1<<40 {
		return &Error{Kind: "Range", Command: c.text, Pos: c.pos + len(c.name)}
	}
	n = (n + 0xfff) &^ 0xfff
	at, err := c.systemCall(ctx, fmt.Sprintf("(unsigned long long)mmap((void*)0x%x, 0x%x, 3, 0x22, -1, 0)", base, n))
	switch {
	case err != nil:
		return &Error{Text: "Allocation failed: " + err.Error(), Err: err}
	case at > ^uint64(4095):
		return fail("Allocation failed: the debuggee's mmap refused")
	}
	c.printf("Allocated %x bytes starting at %s\n", n, arch.Addr(at).Text(pointerSize(c.v)))
	return nil
}

// release is .dvfree.
func release(ctx context.Context, c *call) error {
	if _, err := c.flags("/", "d"); err != nil {
		return err
	}
	at, err := c.address(ctx)
	if err != nil {
		return err
	}
	n, err := c.lastNumber(ctx, 0)
	if err != nil {
		return err
	}
	if n == 0 {
		return c.syntax(0)
	}
	failed, err := c.systemCall(ctx, fmt.Sprintf("(int)munmap((void*)0x%x, (unsigned long)0x%x)", uint64(at), n))
	if err != nil { // glibc's is written in assembler: its debug information knows of no parameters
		failed, err = c.systemCall(ctx, fmt.Sprintf("(int)__munmap((void*)0x%x, (unsigned long)0x%x)", uint64(at), n))
	}
	if err == nil && failed != 0 {
		err = errors.New("the debuggee's munmap refused")
	}
	if err != nil {
		return &Error{Text: fmt.Sprintf("Unable to free %x bytes at %s: %v", n, at.Text(pointerSize(c.v)), err), Err: err}
	}
	c.printf("Freed %x bytes starting at %s\n", n, at.Text(pointerSize(c.v)))
	return nil
}

// imageDifference is a run of bytes that are not the file's.
type imageDifference struct {
	at        arch.Addr
	file, now []byte
}

// checkImage is !chkimg.
func checkImage(ctx context.Context, c *call) error {
	set, err := c.flags("-", "d")
	if err != nil {
		return err
	}
	m, _, err := c.tried(ctx)
	if err != nil {
		return err
	}
	if m.Image == nil {
		return &Error{Text: "The file of " + m.Name + " is not there to compare with", Err: m.Err}
	}
	list, n, err := c.imageDifferences(ctx, m)
	if err != nil {
		return err
	}
	ptr := pointerSize(c.v)
	total := 0
	for _, d := range list {
		total += len(d.now)
		if set["d"] {
			c.printf("    %s-%s  %d bytes - %s\n\t[ % x:% x ]\n", d.at.Text(ptr), (d.at + arch.Addr(len(d.now)-1)).Text(ptr), len(d.now), nameAt(c.v, d.at), d.file, d.now)
		}
	}
	if n == 0 {
		return &Error{Text: "The file of " + m.Name + " has no code to compare with", Err: errors.ErrUnsupported}
	}
	c.printf("%d errors : %s\n", total, m.Name)
	return nil
}

// imageDifferences compares what is executable; n counts the bytes compared.
func (c *call) imageDifferences(ctx context.Context, m *engine.Module) (list []imageDifference, n int, err error) {
	const page, most = 4096, 1000
	all, err := c.maps(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, g := range all {
		if !strings.Contains(g.perms, "x") || g.end <= m.Base || g.start >= moduleEnd(m) {
			continue
		}
		for at := g.start; at < g.end && len(list) < most; at += page {
			if err := ctx.Err(); err != nil {
				return nil, 0, err
			}
			file := fileBytes(m, at, page)
			now, known, err := c.read(ctx, at, uint64(len(file)))
			if err != nil {
				return nil, 0, err
			}
			n += known
			for o := 0; o < known; o++ {
				from := o
				for o < known && file[o] != now[o] {
					o++
				}
				if o > from {
					list = append(list, imageDifference{at + arch.Addr(from), append([]byte(nil), file[from:o]...), now[from:o]})
				}
			}
		}
	}
	return list, n, nil
}

// fileBytes are up to n bytes of the image's file, as far as a segment holds them.
func fileBytes(m *engine.Module, at arch.Addr, n int) []byte {
	p := make([]byte, n)
	for ; n > 0; n /= 2 {
		if !m.Image.ReadStatic(symbols.Offset(at-m.Base), p[:n]) {
			continue
		}
		have := n
		for step := n / 2; step > 0; step /= 2 { // the segment may end between n and 2n
			if have+step <= len(p) && m.Image.ReadStatic(symbols.Offset(at-m.Base), p[:have+step]) {
				have += step
			}
		}
		return p[:have]
	}
	return nil
}

// displayTyped is dtx.
func displayTyped(ctx context.Context, c *call) error {
	var options []string
	for {
		o, ok := c.option("-")
		if !ok {
			break
		}
		options = append(options, "-"+o)
	}
	name := c.word()
	if _, t, ok := strings.Cut(name, "!"); ok {
		name = t
	}
	if name == "" || !c.more() {
		return c.syntax(0)
	}
	at, err := c.address(ctx)
	if err != nil {
		return err
	}
	if err := c.end(); err != nil {
		return err
	}
	c.line = strings.Join(append(options, fmt.Sprintf("(*((%s*)0x%x))", name, uint64(at))), " ")
	return displayModel(ctx, c)
}

// createFolder is .createdir.
func createFolder(ctx context.Context, c *call) error {
	for {
		if _, ok := c.option("-"); !ok {
			break
		}
	}
	if dir := strings.Trim(c.all(), `"`); dir != "" {
		c.i.folder = dir
	}
	folder := c.i.folder
	if folder == "" {
		folder = "<default>"
	}
	c.printf("Process creation directory: %s\n", folder)
	return nil
}
