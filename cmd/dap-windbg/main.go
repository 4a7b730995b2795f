// Command dap-windbg is a debugger with WinDbg's command language: a Debug
// Adapter Protocol server for editors, a command window for the terminal and a
// batch runner for CI, over one engine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"dap-windbg/adapter"
	"dap-windbg/console"
	"dap-windbg/launch"
	"dap-windbg/remote/dbgsrv"
	"dap-windbg/remote/transport"
)

// endLimit bounds an end that was asked for by a signal. Parting takes less.
const endLimit = 4 * time.Second

func main() {
	pace()
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP) // until the process ends
	context.AfterFunc(ctx, func() {
		// Whoever does not take our output must not keep us; the guard parts in our place.
		time.AfterFunc(endLimit, func() { os.Exit(128 + int(syscall.SIGTERM)) })
	})
	status := 0
	root := commands(&status)
	root.SetArgs(dashes(os.Args[1:]))
	err := root.ExecuteContext(ctx)
	if err != nil {
		console.PrintError(os.Stderr, err)
		if status = console.StatusOf(err); status == console.NoTarget && !isReach(err) {
			status = console.Usage
		}
	}
	os.Exit(status)
}

// dashes turns cdb's single-dash long options of run into what cobra knows.
func dashes(args []string) []string {
	if len(args) == 0 || args[0] != "run" {
		return args
	}
	out := slices.Clone(args)
	for i, a := range out {
		if a == "--" {
			break
		}
		if a == "-cf" {
			out[i] = "--cf"
		}
	}
	return out
}

// isReach tells faults of reaching a target from faults of the command line.
func isReach(err error) bool {
	var r *launch.ReachError
	var t *transport.Error
	return errors.As(err, &r) || errors.As(err, &t) && t.Layer != transport.Settings
}

func version() string {
	v := "0.1"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += " (" + s.Value[:12] + ")"
			}
		}
	}
	return v
}

func commands(status *int) *cobra.Command {
	var logFile string
	root := &cobra.Command{
		Use: "dap-windbg", Short: "A debugger: DAP server, command window and batch runner",
		Long:         "Without a command, dap-windbg speaks the Debug Adapter Protocol on standard input and output.",
		SilenceUsage: true, SilenceErrors: true, Args: cobra.NoArgs, Version: version(),
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(logFile)
			if err != nil {
				return err
			}
			o := options(log)
			defer o.Children.Wait() // the children of its debuggee may outlive a session
			return adapter.Serve(c.Context(), standard(), o)
		},
	}
	root.SetVersionTemplate("dap-windbg {{.Version}}\n")
	root.PersistentFlags().StringVar(&logFile, "log", "", "write a log to this file")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &console.UsageError{Msg: err.Error()} })
	root.AddCommand(serve(&logFile), cdb(status), run(status), ps(), doctor(), reference(), processServer(), lineServer(), certs(),
		&cobra.Command{Use: "dbgsrv-guard", Hidden: true, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return dbgsrv.Guard() }},
		&cobra.Command{Use: "guard", Hidden: true, Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return launch.GuardMain() }},
		&cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs,
			Run: func(*cobra.Command, []string) { fmt.Println("dap-windbg", version()) }})
	return root
}

// options wires the command language into the adapter, which does not know it.
func options(log zerolog.Logger) adapter.Options {
	return adapter.Options{
		Children:  &adapter.Children{Own: transport.Own},
		Log:       log,
		Processes: console.Processes,
		Plan: func(request string, args json.RawMessage, trusted bool) (launch.Plan, error) {
			return launch.FromDAP(request, args, trusted)
		},
		Open: openOwn(log),
		Join: joinShared,
	}
}

// guard is how to run this program as a session's guard.
func guard() []string {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	return []string{self, "guard"}
}

func serve(logFile *string) *cobra.Command {
	var listen, unix string
	c := &cobra.Command{
		Use: "serve", Short: "Serve the Debug Adapter Protocol to many editors", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			log, err := logger(*logFile)
			if err != nil {
				return err
			}
			network, addr := "tcp", listen
			if unix != "" {
				network, addr = "unix", unix
			} else if err := console.CheckLoopback(listen); err != nil {
				return err
			}
			ln, err := net.Listen(network, addr)
			if err != nil {
				return &launch.ReachError{What: "Unable to listen on " + addr, Err: err, Fix: "another program may use the port; choose one with --listen"}
			}
			if unix != "" { // whoever may write to the socket may start programs as us
				if err := os.Chmod(unix, 0o600); err != nil {
					ln.Close()
					return err
				}
			}
			fmt.Println("Listening on", ln.Addr())
			return adapter.Listen(c.Context(), transport.Own(ln), options(log)) // programs are started as us
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4711", "address, which must be of this machine only")
	c.Flags().StringVar(&unix, "unix", "", "path of a unix socket instead")
	return c
}

func logger(file string) (zerolog.Logger, error) {
	if file == "" {
		return zerolog.Nop(), nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return zerolog.Nop(), &console.UsageError{Msg: "--log: " + err.Error()}
	}
	return zerolog.New(f).With().Timestamp().Logger(), nil
}

// stdio is standard input and output as one stream.
type stdio struct {
	in, out io.ReadWriteCloser
	file    *os.File // behind out
}

func standard() stdio {
	out := polled(os.Stdout)
	return stdio{transport.Polled(polled(os.Stdin)), transport.Polled(out), out}
}

func (s stdio) Read(p []byte) (int, error)         { return s.in.Read(p) }
func (s stdio) Write(p []byte) (int, error)        { return s.out.Write(p) }
func (s stdio) SetWriteDeadline(t time.Time) error { return s.file.SetWriteDeadline(t) }
func (s stdio) Close() error                       { return s.in.Close() }

var _ io.ReadWriteCloser = stdio{}
