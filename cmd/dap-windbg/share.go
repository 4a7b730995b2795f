package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/rs/zerolog"

	"dap-windbg/adapter"
	"dap-windbg/console"
	"dap-windbg/launch"
	"dap-windbg/remote/share"
	"dap-windbg/targets"
	"dap-windbg/windbg"
)

// This file lets editors take part in debug sessions: their own, which they can open to
// others, and others'.

// own is the debug session of an editor.
type own struct {
	*launch.Debugger
	share *share.Session
}

// Close parts from the debuggee, and then from the guests, who hear of it.
func (d own) Close(ctx context.Context, how targets.Parting) error {
	err := d.Debugger.Close(ctx, how)
	d.share.Close()
	return err
}

// openOwn starts a debug session that others can be let into.
func openOwn(log zerolog.Logger) func(context.Context, launch.Plan, launch.Hooks, func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
	return func(ctx context.Context, p launch.Plan, h launch.Hooks, quit func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
		var d *launch.Debugger
		s := share.New(share.Options{Parse: console.ParseServer, Log: log, Editor: func(ctx context.Context, e share.Editor) {
			serveGuest(ctx, e, d, log)
		}}, h.Emit)
		h.Life, h.Guard, h.Emit = ctx, guard(), s.Emit
		var err error
		if d, err = launch.Start(ctx, p, h); err != nil {
			s.Close()
			return nil, nil, err
		}
		s.Begin(d, windbg.New(windbg.Options{Host: d, Quit: quit, Version: version(), SourceMode: true, Secure: !p.Trusted, Sharing: s}))
		return own{d, s}, repl{s.Owner()}, nil
	}
}

// visited is another's debug session as a guest's editor has it: it ends nothing there.
type visited struct{ *launch.Debugger }

func (visited) Close(context.Context, targets.Parting) error { return nil }
func (visited) Parting() targets.Parting                     { return targets.Leave }
func (visited) GiveUpTransfers()                             {}

// serveGuest serves an editor that joins the session of d.
func serveGuest(ctx context.Context, e share.Editor, d *launch.Debugger, log zerolog.Logger) {
	err := adapter.Serve(ctx, e.Conn, adapter.Options{
		Log: log, Guest: &adapter.Guest{Name: e.Name, Away: e.Away},
		Plan: func(request string, args json.RawMessage, trusted bool) (launch.Plan, error) {
			p, err := launch.FromDAP(request, args, trusted)
			if err == nil && p.Remote == nil {
				err = errors.New("here, a shared debug session can be joined and nothing else begun")
			}
			return p, err
		},
		Open: func(ctx context.Context, p launch.Plan, h launch.Hooks, quit func(targets.Parting)) (adapter.Debugger, adapter.Console, error) {
			seat, err := e.Join(h.Emit)
			if err != nil {
				return nil, nil, err
			}
			return visited{d}, repl{seat}, nil
		},
	})
	if err != nil {
		log.Warn().Err(err).Str("client", e.Name).Msg("a guest's session ended")
	}
}

// joinShared connects an editor to the debug session that its configuration names.
func joinShared(ctx context.Context, to *launch.Connection) (io.ReadWriteCloser, error) {
	return share.JoinEditor(ctx, to.Transport())
}

// repl is a command line as the adapter wants a Console.
type repl struct{ *share.Seat }

func (r repl) Complete(ctx context.Context, line string) []adapter.Completion {
	var out []adapter.Completion
	for _, c := range r.Seat.Complete(ctx, line) {
		out = append(out, adapter.Completion(c))
	}
	return out
}
