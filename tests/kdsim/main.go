// Command kdsim is a simulated machine that is debugged over KD.
//
//	kdsim -listen 127.0.0.1:PORT     a serial line over TCP
//	kdsim -unix PATH                 the same over a Unix socket
//	kdsim -pty                       over a pseudo-terminal, whose name it prints
//	kdsim -net HOST:PORT -key w.x.y.z  KDNET, to a debugger that listens there
//
// The guest is built with clang-19 and lld-19 (-gcc: MinGW's GCC), for x64 or with -x86
// for x86, with PDBs or with -dwarf 5 as MinGW does; -images prints where its images lie.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/creack/pty"
	"golang.org/x/term"

	"dap-windbg/tests/kdsim/sim"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kdsim:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "", "serve a serial line at this TCP `address`")
	unix := flag.String("unix", "", "serve a serial line at this Unix socket `path`")
	terminal := flag.Bool("pty", false, "serve a serial line on a pseudo-terminal, whose name is printed")
	var l sim.Line
	flag.IntVar(&l.Baud, "baud", 0, "speed of the line; 0 is as fast as it goes")
	flag.IntVar(&l.Split, "split", 0, "longest piece written at once, bytes")
	in, out := &sim.Faults{}, &sim.Faults{}
	flag.IntVar(&out.Newlines, "crlf", 0, "CRs that the line writes before each LF towards the debugger")
	flag.IntVar(&in.Newlines, "crlf-in", 0, "the same towards the target")
	noise := flag.Int("noise", 0, "chance of each kind of damage to each byte, millionths, both directions")
	limit := flag.Int("noise-limit", 0, "damages in each direction, at most; 0: no limit")
	network := flag.String("net", "", "speak KDNET to a debugger at this UDP `address`")
	key := flag.String("key", "1.2.3.4", "of KDNET: four numbers in base 36")
	stub := flag.String("gdb", "", "serve the machine at this TCP `address` as QEMU's GDB stub does, its kernel without a debugger")
	var k sim.Kind
	flag.BoolVar(&k.Narrow, "x86", false, "be a 32-bit machine")
	flag.IntVar(&k.DWARF, "dwarf", 0, "version of the DWARF in the images, as MinGW's compilers write it; 0: PDBs beside them")
	flag.BoolVar(&k.GCC, "gcc", false, "compile the guest by MinGW's GCC; with -dwarf")
	images := flag.Bool("images", false, "build the guest, print the directory of its images, and end")
	script := flag.String("script", "", "what happens by itself: `TICK:WORD,...`; words are "+words())
	verbose := flag.Bool("v", false, "say what happens")
	var o sim.Options
	flag.IntVar(&o.Processors, "cpus", 2, "number of processors")
	flag.IntVar(&o.Modules, "modules", 0, "modules in the kernel's list, at least; 0: those that are there")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the garbage in unused fields")
	flag.BoolVar(&o.Strict, "strict", false, "treat data in place of an acknowledgement as Singularity does")
	flag.BoolVar(&o.NoContextEx, "nocontextex", false, "do not know GetContextEx")
	flag.BoolVar(&o.ShortReport, "bootdebugger", false, "speak as a boot debugger")
	flag.Parse()
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	g, err := sim.BuildKind(filepath.Join(cache, "dap-windbg-kdsim"), k)
	if err != nil {
		return err
	}
	if *images {
		fmt.Println(g.Dir)
		return nil
	}
	if k.Narrow && *stub != "" {
		return fmt.Errorf("-gdb serves a 64-bit machine alone")
	}
	if o.Script, err = parseScript(*script); err != nil {
		return err
	}
	if *verbose {
		o.Log = func(s string) { fmt.Fprintf(os.Stderr, "kdsim: %q\n", s) }
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *network != "" {
		return overNet(ctx, g, o, *network, *key)
	}
	t, err := sim.New(g, o)
	if err != nil {
		return err
	}
	for _, f := range []*sim.Faults{in, out} {
		f.Drop, f.Flip, f.Duplicate, f.Insert, f.Cut, f.Limit, f.Seed = *noise, *noise, *noise, *noise, *noise, *limit, o.Seed
	}
	l.In, l.Out = in, out
	switch {
	case *terminal:
		return onTerminal(ctx, t, l)
	case *stub != "":
		return serveStub(ctx, t, *stub)
	case *listen != "":
		return serve(ctx, t, l, "tcp", *listen)
	case *unix != "":
		os.Remove(*unix)
		return serve(ctx, t, l, "unix", *unix)
	}
	return fmt.Errorf("say -listen, -unix, -pty or -net")
}

func words() string {
	var w []string
	for k := range sim.Commands {
		w = append(w, k)
	}
	return strings.Join(w, ", ")
}

func parseScript(s string) ([]sim.Command, error) {
	var out []sim.Command
	for _, f := range strings.Split(s, ",") {
		if f == "" {
			continue
		}
		tick, word, ok := strings.Cut(f, ":")
		n, err := strconv.ParseUint(tick, 10, 64)
		do := sim.Commands[word]
		if !ok || err != nil || do == 0 {
			return nil, fmt.Errorf("script: %q is no TICK:WORD", f)
		}
		out = append(out, sim.Command{Tick: n, Do: do})
	}
	return out, nil
}

// overNet speaks to a debugger that listens at address, from the same port where that
// is free.
func overNet(ctx context.Context, g *sim.Guest, o sim.Options, address, key string) error {
	host, err := net.ResolveUDPAddr("udp4", address)
	if err != nil {
		return err
	}
	c, err := net.DialUDP("udp4", nil, host)
	if err != nil {
		return err
	}
	defer c.Close()
	t, err := sim.NewNet(g, o, key, c.LocalAddr().(*net.UDPAddr), host)
	if err != nil {
		return err
	}
	fmt.Printf("poking %s\n", host)
	return t.ServeNet(ctx, c)
}

// serveStub lets one debugger in.
func serveStub(ctx context.Context, t *sim.Target, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Printf("listening %s\n", l.Addr())
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	return t.ServeStub(ctx, c)
}

// onTerminal serves the line at the master's end of a pseudo-terminal. Its other end is
// held open too, so that a debugger may come and go.
func onTerminal(ctx context.Context, t *sim.Target, line sim.Line) error {
	master, slave, err := pty.Open()
	if err != nil {
		return err
	}
	defer master.Close()
	defer slave.Close()
	if _, err := term.MakeRaw(int(slave.Fd())); err != nil {
		return err
	}
	fmt.Printf("listening %s\n", slave.Name())
	line.ReadWriter = master
	return t.Serve(ctx, &line)
}

// serve lets one debugger after the other in; the machine stands still without one.
func serve(ctx context.Context, t *sim.Target, line sim.Line, network, address string) error {
	l, err := net.Listen(network, address)
	if err != nil {
		return err
	}
	defer l.Close()
	go func() { <-ctx.Done(); l.Close() }()
	fmt.Printf("listening %s\n", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		on := line
		on.ReadWriter = c
		err = t.Serve(ctx, &on)
		c.Close()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "kdsim:", err)
		}
	}
}
