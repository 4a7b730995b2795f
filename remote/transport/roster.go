package transport

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
)

// The roster is a folder of this user with a file for each server that is not hidden. A
// server holds its file while it lives, so that those of killed ones can be told.

// Served is a server of this machine, as others are told of it.
type Served struct {
	Service    string `json:"service"`
	Connection string `json:"connection"` // of clients, without the password
}

// Roster lists the servers of this user on this machine that are not hidden.
func Roster() ([]Served, error) {
	dir, err := rosterFolder()
	if err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.server"))
	if err != nil {
		return nil, err
	}
	var out []Served
	for _, name := range names {
		text, err := os.ReadFile(name)
		var s Served
		if err != nil || !held(name) || json.Unmarshal(text, &s) != nil {
			continue
		}
		s.Service, s.Connection = printable(s.Service, 16), printable(s.Connection, 400)
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Served) int { return strings.Compare(a.Connection, b.Connection) })
	return out, nil
}

var entries atomic.Int32

// enlist puts a server into the roster until leave is called. A server that cannot be
// listed serves all the same.
func enlist(s Served) (leave func(), err error) {
	nothing := func() {}
	dir, err := rosterFolder()
	if err != nil {
		return nothing, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nothing, err
	}
	name := filepath.Join(dir, fmt.Sprintf("%d-%d", os.Getpid(), entries.Add(1)))
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nothing, err
	}
	kept := io.Closer(f)
	if _, err = f.Write(text); err == nil {
		kept, err = hold(name, f)
	}
	out := func() {
		kept.Close()
		os.Remove(name)
		os.Remove(name + ".server")
	}
	if err != nil {
		kept = f
		out()
		return nothing, err
	}
	return out, nil
}
