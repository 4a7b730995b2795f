package elf

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"dap-windbg/symbols"
)

// companion opens a file that the debug information in p refers to, for the DWARF
// reader: a file's build-id is checked here, what is in it by accept.
func (i *Image) companion(p *part, c symbols.Companion, accept func(section func(name string) []byte) error) (func(name string) []byte, error) {
	c.For = p.path
	if p != i.main {
		c.Image = i.main.path
	}
	var opened *part
	try := func(path string) error {
		o, err := openPart(path)
		if err != nil {
			return err
		}
		o.Place(nil)
		o.keep(i.opt.Index)
		if err := fits(o, c, i.opt.AnyBuild); err != nil {
			return err
		}
		if err := accept(o.bytes); err != nil {
			return &FileError{path, err}
		}
		opened = o
		return nil
	}
	switch c.Kind {
	case symbols.Package:
		c.ID = i.key.BuildID
	case symbols.SplitUnit:
		c.Accept = try
	}
	find := i.opt.Companions
	if find == nil {
		find = beside(try)
	}
	path, err := find(c)
	if err != nil {
		return nil, err
	}
	if opened == nil || opened.path != path {
		if err := try(path); err != nil {
			return nil, err
		}
	}
	if c.Kind == symbols.Supplement {
		i.common = opened
	}
	return opened.bytes, nil
}

// fits says why a file cannot be the companion.
func fits(o *part, c symbols.Companion, anyBuild bool) error {
	switch c.Kind {
	case symbols.Package:
		if _, ok := o.Section(".debug_cu_index"); !ok {
			return &FileError{o.path, errors.New("is no package of split units")}
		}
	case symbols.Supplement:
		id := o.BuildID()
		if len(c.ID) == 0 || anyBuild || bytes.Equal(id, c.ID) || bytes.HasSuffix(o.bytes(".debug_sup"), c.ID) {
			return nil
		}
		return &symbols.MismatchError{Path: o.path, Want: c.ID, Got: id}
	}
	return nil
}

// beside finds companions without any search path: as recorded, else in the
// folder of the file that names them.
func beside(try func(path string) error) symbols.Companions {
	return func(c symbols.Companion) (string, error) {
		var paths []string
		for _, f := range []string{c.For, c.Image} {
			if f == "" {
				continue
			}
			dir, name := filepath.Dir(f), filepath.FromSlash(c.Name)
			if real, err := filepath.EvalSymlinks(f); err == nil {
				dir = filepath.Dir(real)
			}
			switch {
			case c.Kind == symbols.Package:
				paths = append(paths, f+".dwp", strings.TrimSuffix(f, ".debug")+".dwp")
				continue
			case filepath.IsAbs(name):
				paths = append(paths, name)
			case c.Dir != "":
				paths = append(paths, filepath.Join(filepath.FromSlash(c.Dir), name))
			}
			if !filepath.IsAbs(name) {
				paths = append(paths, filepath.Join(dir, name))
			}
			paths = append(paths, filepath.Join(dir, filepath.Base(name)))
		}
		var errs []error
		for _, p := range paths {
			err := try(p)
			if err == nil {
				return p, nil
			}
			if !errors.Is(err, os.ErrNotExist) || len(errs) == 0 {
				errs = append(errs, err)
			}
		}
		return "", errors.Join(errs...)
	}
}

// Missing implements symbols.Parted: the files with debug information that were
// asked for so far and could not be had.
func (i *Image) Missing() (out []error) {
	if i.dwarf != nil {
		for _, m := range i.dwarf.Missing() {
			out = append(out, m)
		}
	}
	return out
}
