package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"dap-windbg/console"
	"dap-windbg/launch"
	"dap-windbg/remote/share"
	"dap-windbg/windbg"
)

func cdb(status *int) *cobra.Command {
	return &cobra.Command{
		Use: "cdb [options] [program [arguments]]", Short: "Debug in the terminal, with cdb's own options",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, argv []string) error {
			for _, a := range argv {
				if a == "-?" || a == "-h" || a == "-help" || a == "--help" {
					fmt.Print(console.Help())
					return nil
				}
				if len(a) == 0 || a[0] != '-' {
					break
				}
			}
			o, err := console.ParseArgs(argv)
			if err != nil {
				return err
			}
			o.Guard = guard()
			o.Editor = func(ctx context.Context, e share.Editor, d *launch.Debugger) { serveGuest(ctx, e, d, zerolog.Nop()) }
			out, ctx := output(c.Context())
			*status = console.Cdb(ctx, o, os.Stdin, out, version())
			return nil
		},
	}
}

func run(status *int) *cobra.Command {
	var file, name string
	var o console.Options
	var limit time.Duration
	c := &cobra.Command{
		Use: "run [flags] [-- program [arguments]]", Short: "Run a program or a launch configuration under the debugger, unattended",
		RunE: func(c *cobra.Command, rest []string) error {
			if o.Limit = limit; limit < 0 {
				return &console.UsageError{Msg: fmt.Sprintf("--timeout: %v is no time limit", limit)}
			}
			plan, err := console.RunPlan(file, name, rest)
			if err != nil {
				return err
			}
			o.Plan, o.Guard = plan, guard()
			out, ctx := output(c.Context())
			*status = console.Run(ctx, o, out, os.Stderr, version())
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&file, "launch", "", "launch file (launch.json, or one configuration)")
	f.StringVar(&name, "config", "", "name of the configuration; the first one when not given")
	f.VarP(commandFlag{&o.Commands, ""}, "commands", "c", "WinDbg commands to run; this and --cf may be given several times, and run in their order")
	f.Var(commandFlag{&o.Commands, "$$<"}, "cf", "file of WinDbg commands to run")
	f.StringVar(&o.Report, "report", "", "folder for the report")
	f.BoolVar(&o.JSON, "json", false, "print the report as JSON at the end, alone on standard output")
	f.DurationVar(&limit, "timeout", 0, "time limit, for example 30s")
	f.BoolVar(&o.ChildResult, "return-child-result", false, "exit with the program's own status")
	return c
}

// commandFlag appends to the commands of a run.
type commandFlag struct {
	list   *[]string
	prefix string
}

func (c commandFlag) String() string { return "" }
func (c commandFlag) Type() string   { return "text" }
func (c commandFlag) Set(v string) error {
	*c.list = append(*c.list, c.prefix+v)
	return nil
}

func ps() *cobra.Command {
	var server string
	var asJSON bool
	c := &cobra.Command{
		Use: "ps", Short: "List processes here or on a process server", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := console.Processes(c.Context(), server)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(os.Stdout).Encode(list)
			}
			for _, p := range list {
				fmt.Printf("%8d %-12s %s\n", p.PID, p.User, p.Command)
			}
			return nil
		},
	}
	c.Flags().StringVar(&server, "server", "", "connection string of a process server")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func doctor() *cobra.Command {
	var connect string
	c := &cobra.Command{
		Use: "doctor", Short: "Tell what this machine can debug, what is missing, and how to get it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt) // what was stopped for the trial is let run
			defer stop()
			return console.Doctor(ctx, os.Stdout, connect)
		},
	}
	c.Flags().StringVar(&connect, "connect", "", "connection string to try")
	return c
}

// reference prints the pages that are generated from tables.
func reference() *cobra.Command {
	pages := map[string]func() (string, error){
		"commands":    func() (string, error) { return windbg.Reference(launch.Systems()...), nil },
		"launch":      func() (string, error) { return launch.Reference(), nil },
		"connections": func() (string, error) { return launch.ConnectionReference(), nil },
		"vscode":      manifest,
	}
	return &cobra.Command{
		Use: "reference commands|launch|connections|vscode", Short: "Print a reference page", Args: cobra.ExactArgs(1), ValidArgs: []string{"commands", "launch", "connections", "vscode"},
		RunE: func(_ *cobra.Command, args []string) error {
			page, ok := pages[args[0]]
			if !ok {
				return &console.UsageError{Msg: "there is no page '" + args[0] + "': commands, launch, connections or vscode"}
			}
			text, err := page()
			fmt.Print(text)
			return err
		},
	}
}

// manifest is the extension's package.json, read from standard input, with the parts
// that come from the table of launch attributes.
func manifest() (string, error) {
	src, err := io.ReadAll(os.Stdin)
	if err != nil {
		return "", err
	}
	out, err := launch.VSCodeManifest(src)
	return string(out), err
}
