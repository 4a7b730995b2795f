package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// miClient speaks GDB/MI.
type miClient struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (b *bench) mi(args ...string) *miClient {
	g := &miClient{cmd: exec.Command("gdb", append([]string{"-nx", "-q", "-i=mi3"}, args...)...)}
	g.cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	var err error
	g.in, err = g.cmd.StdinPipe()
	check(err)
	out, err := g.cmd.StdoutPipe()
	check(err)
	check(g.cmd.Start())
	g.out = bufio.NewReaderSize(out, 1<<20)
	g.until("(gdb)")
	return g
}

// until reads to a line that begins with one of prefixes.
func (g *miClient) until(prefixes ...string) string {
	for {
		line, err := g.out.ReadString('\n')
		check(err)
		for _, p := range prefixes {
			if strings.HasPrefix(line, p) {
				return line
			}
		}
	}
}

func (g *miClient) do(line string) {
	_, err := io.WriteString(g.in, line+"\n")
	check(err)
	if got := g.until("^done", "^running", "^connected", "^error"); strings.HasPrefix(got, "^error") {
		check(fmt.Errorf("gdb: %s: %s", line, got))
	}
}

func (g *miClient) stop(line string) {
	g.do(line)
	g.until("*stopped")
}

func (g *miClient) refresh() {
	g.do("-thread-info")
	g.do("-stack-list-frames 0 19")
	g.do("-stack-list-variables --simple-values")
}

func (g *miClient) close() {
	g.in.Close()
	g.cmd.Process.Kill()
	g.cmd.Wait()
}
