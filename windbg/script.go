package windbg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// This file runs scripts and defines aliases.

const maxScript = 4 << 20

// readScript reads a file of commands.
func readScript(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", &Error{Text: fmt.Sprintf("Command file execution failed, %v", err), Err: err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.IsDir() || info.Size() > maxScript {
		return "", fail("Command file execution failed, %s is not a file of at most 4 MB", name)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(f, maxScript)); err != nil { // a device has no size
		return "", err
	}
	return strings.ReplaceAll(b.String(), "\r\n", "\n"), nil
}

// script runs a file: line by line and echoed, or as one block.
func script(ctx context.Context, c *call) error {
	name := c.all()
	var args []string
	if c.cmd.Name == "$$>a<" {
		words := commandLine(name)
		if len(words) == 0 {
			return c.syntax(0)
		}
		name, args = words[0], words[1:]
	}
	name = strings.Trim(name, `"`)
	text, err := readScript(name)
	if err != nil {
		return err
	}
	if strings.Contains(c.cmd.Name, ">") {
		given := map[string]string{}
		for k, a := range args {
			given["$arg"+strconv.Itoa(k+1)] = a
		}
		given["$argc"] = strconv.Itoa(len(args))
		text = replaceNames(text, given, false)
		err := c.program(ctx, text)
		return placed(err, name, lineOf(text, err), "")
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for k, l := range lines {
		c.echo(ctx, l)
		if err := c.run(ctx, l, k+1 == len(lines)); err != nil {
			return placed(err, name, k+1, l)
		}
	}
	return nil
}

func aliasUsage(name string) string {
	return name + " Name Text; " + name + " {/e|/f|/x|/c|/ma|/mu|/msa|/msu} Name Source"
}

// setAlias is as and aS.
func setAlias(ctx context.Context, c *call) error {
	kind := ""
	for {
		at := c.base
		o, ok := c.option("/")
		if !ok {
			break
		}
		if !slices.Contains(strings.Fields("e f x c ma mu msa msu"), o) || kind != "" {
			return &Error{Kind: "Syntax", Command: c.text, Pos: at, Fix: "as takes one of /e /f /x /c /ma /mu /msa /msu"}
		}
		kind = o
	}
	c.skip()
	name, tail := nextWord(c.line)
	if name == "" {
		return c.syntax(0)
	}
	c.drop(len(c.line))
	text, err := c.aliasText(ctx, kind, strings.TrimSpace(tail))
	if err == nil {
		c.i.aliases.user[name] = text
	}
	return err
}

// aliasText is what an alias stands for.
func (c *call) aliasText(ctx context.Context, kind, from string) (string, error) {
	switch kind {
	case "":
		if c.cmd.Name == "aS" {
			from = strings.Trim(from, `"`)
		}
		return from, nil
	case "e", "f":
		if c.i.secure() {
			return "", fail("Neither files nor the environment are read in secure mode")
		}
		if kind == "e" {
			return os.Getenv(from), nil
		}
		text, err := readScript(strings.Trim(from, `"`))
		return strings.TrimRight(text, "\n"), err
	case "c":
		out, err := c.captured(ctx, from)
		return strings.TrimRight(out, "\n"), err
	}
	n, err := c.value(ctx, from)
	if err != nil {
		return "", err
	}
	if kind == "x" {
		return fmt.Sprintf("0x%x", n), nil
	}
	return c.formatted(ctx, conversion{verb: kind}, n)
}

func deleteAlias(ctx context.Context, c *call) error {
	quiet := false
	if o, ok := c.option("/"); ok {
		quiet = o == "q"
	}
	name := c.all()
	if name == "*" {
		clear(c.i.aliases.user)
		return nil
	}
	if _, ok := c.i.aliases.user[name]; !ok && !quiet {
		return fail("Alias %s does not exist", name)
	}
	delete(c.i.aliases.user, name)
	return nil
}

func listAliases(ctx context.Context, c *call) error {
	c.i.aliases.list(c.out)
	return c.end()
}
