package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"dap-windbg/console"
	"dap-windbg/launch"
	"dap-windbg/remote/kdsrv"
	"dap-windbg/remote/transport"
)

const kdsrvHelp = `Give the lines of this machine to kernel debuggers elsewhere.

Usage: dap-windbg kdsrv -t TRANSPORT [options]

  -t TRANSPORT          what to listen on, for example tcp:port=1234,password=secret;
                        @FILE reads it from a file, since command lines are no secrets
  --allow LINE          a line that clients may open, or a pattern such as /dev/ttyUSB*; may be given
                        several times. Without it: serial ports and pseudo terminals
  --max-clients N       clients at a time (64)
  --log FILE            write the log there (standard error)
`

func parseLineServer(argv []string) (a serverArgs, allow []string, err error) {
	bad := func(format string, v ...any) (serverArgs, []string, error) {
		return a, nil, &console.UsageError{Msg: "kdsrv: " + fmt.Sprintf(format, v...)}
	}
	for i := 0; i < len(argv); i++ {
		option := argv[i]
		value, has := "", false
		if name, v, cut := strings.Cut(option, "="); cut && strings.HasPrefix(option, "--") {
			option, value, has = name, v, true
		} else if i+1 < len(argv) {
			value, has = argv[i+1], true
			i++
		}
		switch option {
		case "-t", "--allow", "--max-clients", "--log":
		default:
			return bad("unknown option %s", option)
		}
		if !has {
			return bad("%s needs a value", option)
		}
		switch option {
		case "-t":
			if a.transport, err = launch.ReadConnection(value, launch.ServerSide); err != nil {
				return a, nil, err
			}
		case "--allow":
			allow = append(allow, value)
		case "--log":
			a.log = value
		case "--max-clients":
			if a.clients, err = strconv.Atoi(value); err != nil || a.clients < 1 {
				return bad("%s is no number of clients", value)
			}
		}
	}
	if a.transport == nil {
		return bad("-t TRANSPORT is missing, for example -t tcp:port=1234,password=secret")
	}
	return a, allow, nil
}

func lineServer() *cobra.Command {
	return &cobra.Command{
		Use: "kdsrv -t TRANSPORT", Short: "Give the lines of this machine to kernel debuggers elsewhere", DisableFlagParsing: true,
		RunE: func(c *cobra.Command, argv []string) error {
			if len(argv) == 1 && (argv[0] == "-?" || argv[0] == "-h" || argv[0] == "--help") {
				fmt.Print(kdsrvHelp)
				return nil
			}
			a, allow, err := parseLineServer(argv)
			if err != nil {
				return err
			}
			return serveLines(c.Context(), a, allow, os.Stdout)
		},
	}
}

func serveLines(ctx context.Context, a serverArgs, allow []string, out io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	log, err := serverLog(a.log)
	if err != nil {
		return err
	}
	l, err := transport.Listen(ctx, a.transport.Transport(), transport.Options{Service: kdsrv.Service, Title: title(), Log: log, MaxClients: a.clients})
	if err != nil {
		return err
	}
	defer l.Close()
	announceAs(out, a.transport, l, "-k kdsrv:server=@{%s},trans=@{com:port=com1,baud=115200}")
	err = kdsrv.New(kdsrv.Options{Allow: allow, Log: log}).Serve(ctx, l)
	log.Info().Msg("the server ends")
	return err
}
