package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"dap-windbg/console"
	"dap-windbg/launch"
	"dap-windbg/remote/dbgsrv"
	"dap-windbg/remote/transport"
)

// serverArgs are what the command lines of servers have in common.
type serverArgs struct {
	transport          *launch.Connection
	log                string
	clients, debuggees int
	idle               time.Duration
	stub               string
	start, pending     []string
	suspended          bool
}

const dbgsrvHelp = `Give the processes of this machine to debuggers elsewhere.

Usage: dap-windbg dbgsrv -t TRANSPORT [options] [-c|-cs PROGRAM ARGUMENTS | -pc PROGRAM ARGUMENTS | -x]

  -t TRANSPORT          what to listen on, for example tcp:port=5005,password=abc123;
                        @FILE reads it from a file, since command lines are no secrets
  -c PROGRAM ...        start this program; the rest of the line is its own
  -cs PROGRAM ...       start it, suspended before its first instruction
  -pc PROGRAM ...       a command line that clients may start (-premote ... -cimp)
  -x                    ignore the rest of the line
  --stub PROGRAM        gdbserver or lldb-server to run (gdbserver)
  --max-clients N       clients at a time (64)
  --max-debuggees N     debuggees of one client (16)
  --idle D              let clients without debuggees go after this time, for example 30m
  --log FILE            write the log there (standard error)
`

// parseServer reads dbgsrv's command line, whose options are case-sensitive and have
// one dash; -c, -cs and -pc take the rest of it.
func parseServer(argv []string) (serverArgs, error) {
	var a serverArgs
	bad := func(format string, v ...any) (serverArgs, error) {
		return a, &console.UsageError{Msg: "dbgsrv: " + fmt.Sprintf(format, v...)}
	}
	numbers := map[string]*int{"--max-clients": &a.clients, "--max-debuggees": &a.debuggees}
	texts := map[string]*string{"--log": &a.log, "--stub": &a.stub, "-sifeo": new(string)}
	rests := map[string]*[]string{"-c": &a.start, "-cs": &a.start, "-pc": &a.pending}
	for i := 0; i < len(argv); i++ {
		option := argv[i]
		if rest := rests[option]; rest != nil {
			if *rest = argv[i+1:]; len(*rest) == 0 {
				return bad("%s needs a command line", option)
			}
			a.suspended = option == "-cs"
			break
		}
		if option == "-x" {
			break
		}
		i++
		if i == len(argv) {
			return bad("'%s' is no option, or needs a value", option)
		}
		var err error
		switch {
		case option == "-t":
			a.transport, err = launch.ReadConnection(argv[i], launch.ServerSide)
		case option == "--idle":
			a.idle, err = time.ParseDuration(argv[i])
		case numbers[option] != nil:
			*numbers[option], err = strconv.Atoi(argv[i])
		case texts[option] != nil:
			*texts[option] = argv[i]
		default:
			return bad("unknown option '%s'", option)
		}
		switch n := numbers[option]; {
		case option == "-t" && err != nil:
			return a, err
		case option == "--idle" && (err != nil || a.idle < 0):
			return bad("--idle: '%s' is no time such as 30m", argv[i])
		case n != nil && (err != nil || *n < 1):
			return bad("%s: '%s' is no number above 0", option, argv[i])
		}
	}
	if a.transport == nil {
		return bad("name what to listen on with -t, for example -t tcp:port=5005,password=abc123")
	}
	return a, nil
}

func processServer() *cobra.Command {
	return &cobra.Command{
		Use: "dbgsrv -t TRANSPORT", Short: "Give the processes of this machine to debuggers elsewhere", DisableFlagParsing: true,
		RunE: func(c *cobra.Command, argv []string) error {
			if len(argv) == 1 && (argv[0] == "-?" || argv[0] == "-h" || argv[0] == "--help") {
				fmt.Print(dbgsrvHelp)
				return nil
			}
			a, err := parseServer(argv)
			if err != nil {
				return err
			}
			return serveProcesses(c.Context(), a, os.Stdout)
		},
	}
}

func serveProcesses(ctx context.Context, a serverArgs, out io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	log, err := serverLog(a.log)
	if err != nil {
		return err
	}
	var guard []string
	if self, err := os.Executable(); err == nil {
		guard = []string{self, "dbgsrv-guard"}
	}
	s, err := dbgsrv.New(dbgsrv.Options{Stub: a.stub, Pending: a.pending, MaxDebuggees: a.debuggees, Idle: a.idle, Guard: guard, Log: log})
	if err != nil {
		return err
	}
	l, err := transport.Listen(ctx, a.transport.Transport(), transport.Options{Service: dbgsrv.Service, Title: title(), Log: log, MaxClients: a.clients})
	if err != nil {
		s.Close()
		return err
	}
	defer l.Close()
	announce(out, a.transport, l)
	if len(a.start) > 0 {
		pid, err := dbgsrv.Start(a.start, a.suspended)
		if err != nil {
			s.Close()
			return err
		}
		fmt.Fprintf(out, "Started process %d\n", pid)
	}
	err = s.Serve(ctx, l)
	log.Info().Msg("the server ends")
	return err
}

// announce prints how clients connect, as the debuggers of these strings do.
func announce(out io.Writer, c *launch.Connection, l *transport.Listener) {
	announceAs(out, c, l, "-premote %s")
}

// announceAs prints it with the option that clients give.
func announceAs(out io.Writer, c *launch.Connection, l *transport.Listener, option string) {
	for _, w := range c.Warnings {
		fmt.Fprintln(out, "warning:", w)
	}
	s := l.Spec()
	if !l.Open() {
		fmt.Fprintln(out, "note: there is no password, so only this machine can connect; add password=, or use ssl: with certificates of both ends")
	} else if s.Clear() || s.Protocol == "tcp" && !s.Reverse() {
		fmt.Fprintln(out, "warning: what travels over tcp: is not encrypted; ssl: is")
	}
	if s.Reverse() {
		fmt.Fprintf(out, "Server started.  It connects to the client at %s\n", net.JoinHostPort(s.Clicon, strconv.Itoa(s.Port)))
		return
	}
	fmt.Fprintln(out, "Server started.  Client can connect with any of these command lines")
	for i, line := range l.ClientStrings() {
		fmt.Fprintf(out, "%d: <debugger> "+option+"\n", i, line)
	}
}

// title is what clients are told of this machine.
func title() string {
	host, _ := os.Hostname()
	return "dap-windbg " + version() + " on " + host
}

func serverLog(file string) (zerolog.Logger, error) {
	if file != "" {
		return logger(file)
	}
	return zerolog.New(zerolog.ConsoleWriter{Out: os.Stderr, NoColor: true, TimeFormat: time.RFC3339}).With().Timestamp().Logger(), nil
}

func certs() *cobra.Command {
	var hosts []string
	c := &cobra.Command{
		Use: "certs DIR", Short: "Make a pair of certificates for ssl: and spipe:", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			names := append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
			if host, err := os.Hostname(); err == nil {
				names = append(names, host)
			}
			p, err := transport.Certs(args[0], names, time.Now())
			if err != nil {
				return err
			}
			fmt.Printf("%s  for the server\n  fingerprint=%s\n%s  for clients\n  fingerprint=%s\nValid until %s. Each file holds a key: copy client.pem to the client as you would a password, and nothing else.\n\n"+
				"  server: dap-windbg dbgsrv -t ssl:proto=tls1,certuser=%s,port=5005\n  client: dap-windbg cdb -premote ssl:proto=tls1,certuser=%s,server=HOST,port=5005\n",
				p.Server, p.ServerPrint, p.Client, p.ClientPrint, p.NotAfter.Format(time.DateOnly), p.Server, p.Client)
			return nil
		},
	}
	c.Flags().StringSliceVar(&hosts, "host", nil, "further names and addresses of the server")
	return c
}
