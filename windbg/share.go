package windbg

import (
	"context"
	"fmt"
	"strings"
)

// This file opens the debug session to others, and tells lines that others have typed
// from those of the person it belongs to.

var shareCommands = []command{
	{".server", ".server Transport", "let others take part in this debug session: tcp:port=5005,password=...", anytime | powerful, openServer},
	{".servers", ".servers", "how others can join", anytime, listServers},
	{".endsrv", ".endsrv ID", "let nobody else join by this server; who is there stays", anytime, endSharing},
	{".clients", ".clients", "who takes part", anytime, listClients},
	{".remote_exit", ".remote_exit [Commands]", "leave a debug session of another's, which goes on; first the commands are run there", rest, leaveSession},
}

// Sharing lets others take part in a debug session.
type Sharing interface {
	// Serve opens the session on a transport. clients are the connection strings by which
	// others join; notes is what else its user should know, "" nothing.
	Serve(ctx context.Context, transport string) (clients []string, notes string, err error)
	Servers() []Server
	EndServer(id int) error
	Clients() []string
	// Shared reports whether others take part, did, or may come.
	Shared() bool
}

// Server is one that listens.
type Server struct {
	ID        int
	Transport string // without its password
}

// Guest is who has typed a line in a debug session that is another's.
type Guest struct {
	Leave func() // ends the client's part once the line is done
}

type guestKey struct{}

// AsGuest makes a context in which lines are a guest's: files of this machine are not
// for it, and q does not end the session.
func AsGuest(ctx context.Context, g *Guest) context.Context {
	return context.WithValue(ctx, guestKey{}, g)
}

func guestOf(ctx context.Context) *Guest {
	g, _ := ctx.Value(guestKey{}).(*Guest)
	return g
}

// shared reports whether others take part.
func (i *Interpreter) shared() bool { return i.o.Sharing != nil && i.o.Sharing.Shared() }

// guarded begins what the owner of a shared session may not have written: a guest's
// line, what an alias stands for, what is run at a stop. Until end it is refused what
// touches this machine's files.
func (i *Interpreter) guarded() (end func()) {
	if !i.shared() {
		return func() {}
	}
	i.guards++
	return func() { i.guards-- }
}

// forOwner refuses a guest, and what a guest may have set up, what reaches beyond the
// debuggee: programs, processes and files of the owner's that nobody has shared.
func (c *call) forOwner() error {
	if c.i.guards == 0 {
		return nil
	}
	return &Error{Text: c.cmd.Name + " is not for guests of a shared session, nor for what they may have set up: it reaches beyond the debuggee", Fix: "ask whose session it is"}
}

func (c *call) sharing(ctx context.Context) (Sharing, error) {
	if c.i.o.Sharing == nil {
		return nil, &Error{Text: "This session cannot be shared", Fix: "begin it with `dap-windbg cdb`, or in an editor"}
	}
	return c.i.o.Sharing, nil
}

func openServer(ctx context.Context, c *call) error {
	s, err := c.sharing(ctx)
	if err != nil {
		return err
	}
	if guestOf(ctx) != nil {
		return &Error{Text: "Only whose session it is can open it to more people"}
	}
	text := c.all()
	if text == "" {
		return c.syntax(0)
	}
	clients, notes, err := s.Serve(ctx, text)
	if err != nil {
		return err
	}
	c.printf("%s", ServerText(clients, notes))
	return nil
}

// ServerText tells how clients join a server.
func ServerText(clients []string, notes string) string {
	text := "Server started.  Client can connect with any of these command lines\n"
	if len(clients) == 0 {
		text = "Server started.\n"
	}
	for n, client := range clients {
		text += fmt.Sprintf("%d: <debugger> -remote %s\n", n, client)
	}
	if notes != "" {
		text += line(notes)
	}
	return text
}

func listServers(ctx context.Context, c *call) error {
	s, err := c.sharing(ctx)
	if err == nil {
		err = c.end()
	}
	if err != nil {
		return err
	}
	all := s.Servers()
	for _, x := range all {
		c.printf("%d - Debugger Server - %s\n", x.ID, x.Transport)
	}
	if len(all) == 0 {
		c.printf("No servers.\n")
	}
	return nil
}

func endSharing(ctx context.Context, c *call) error {
	s, err := c.sharing(ctx)
	if err != nil {
		return err
	}
	if !c.more() {
		return c.syntax(0)
	}
	n, err := c.lastNumber(ctx, 0)
	if err != nil {
		return err
	}
	if guestOf(ctx) != nil {
		return &Error{Text: "Only whose session it is can end its servers"}
	}
	if err := s.EndServer(int(min(n, 1<<30))); err != nil {
		return err
	}
	c.printf("Server told to exit.  Actual exit may be delayed until\nthe next connection attempt.\n")
	return nil
}

func listClients(ctx context.Context, c *call) error {
	s, err := c.sharing(ctx)
	if err == nil {
		err = c.end()
	}
	if err != nil {
		return err
	}
	for _, x := range s.Clients() {
		c.printf("%s\n", x)
	}
	return nil
}

func leaveSession(ctx context.Context, c *call) error {
	g := guestOf(ctx)
	if g == nil {
		return &Error{Text: "This is no client of another's session", Fix: "q ends the session"}
	}
	if text := strings.TrimSpace(c.all()); text != "" {
		if err := c.program(ctx, strings.Trim(text, `"`)); err != nil {
			return err
		}
	}
	g.Leave()
	return errQuit
}

// guestQuits is what q, qq and qd are for a guest; false: it is the session that ends.
func (c *call) guestQuits() (bool, error) {
	switch c.cmd.Name {
	case "q":
		c.printf("Exit a remote client with Ctrl-b<enter>.\nIf you really want the server to quit use 'qq'.\n")
		return true, nil
	case "qd":
		return true, &Error{Text: "qd is not for a client of another's session", Fix: ".remote_exit leaves it; qq ends it"}
	}
	return false, nil
}
