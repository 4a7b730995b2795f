package winkernel

import (
	"context"
	"fmt"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/systems"
)

// Extensions implements systems.Extender: all commands, a table a family.
func (s *System) Extensions() []systems.Extension {
	var out []systems.Extension
	for _, family := range [][]row{processRows, processorRows, memoryRows, objectRows, crashRows} {
		for _, x := range family {
			out = append(out, systems.Extension{Name: x.name, Usage: x.usage, Help: x.help, Run: func(ctx context.Context, d systems.Desk, args string) error {
				if _, err := s.known(ctx, d); err != nil {
					return err
				}
				return x.run(&call{reader: s.reader(ctx, d), Desk: d, ctx: ctx, name: x.name, args: args, words: systems.Fields(args)})
			}})
		}
	}
	return out
}

// row is a command.
type row struct {
	name, usage, help string
	run               func(*call) error
}

// call is a command as it was typed.
type call struct {
	*reader
	systems.Desk
	ctx   context.Context
	name  string
	args  string
	words []string
}

func (c *call) printf(format string, args ...any) { fmt.Fprintf(c.Desk, format, args...) }

// options takes words that begin with / or - off the front.
func (c *call) options() map[string]bool {
	out := map[string]bool{}
	for len(c.words) > 0 && strings.ContainsAny(c.words[0][:1], "/-") && c.words[0] != "-1" {
		out[strings.ToLower(c.words[0][1:])] = true
		c.words = c.words[1:]
	}
	return out
}

// number evaluates the i-th word; def when there is none.
func (c *call) number(i int, def uint64) (uint64, error) {
	if i >= len(c.words) {
		return def, nil
	}
	return c.Evaluate(c.ctx, c.words[i])
}

// usage is the error of arguments that the command does not take.
func (c *call) usage(word string) error {
	return &systems.UsageError{Extension: c.name, Args: c.args, At: max(strings.Index(c.args, word), 0)}
}

// locate names an address, or writes it.
func (c *call) locate(a arch.Addr) string {
	if n := c.Locate(a); n != "" {
		return n
	}
	return "0x" + hex(c.s, a)
}

// processors is how many there are.
func (c *call) processors() (int, error) {
	all, err := c.Processors(c.ctx)
	return len(all), err
}

// processor is the number of the selected one, from 0.
func (c *call) processor() int { return int(c.Processor().Thread) - 1 }

// prcb is the control block of a processor, by the first word or the selected one.
func (c *call) prcb() (n int, at arch.Addr, err error) {
	v, err := c.number(0, uint64(c.processor()))
	if err != nil {
		return 0, 0, err
	}
	count, err := c.processors()
	if err != nil {
		return 0, 0, err
	}
	if v >= uint64(count) {
		return 0, 0, fmt.Errorf("there is no processor %d; the machine has %d", v, count)
	}
	all := c.prcbs(count)
	if int(v) >= len(all) {
		return 0, 0, c.end()
	}
	return int(v), all[v], nil
}
