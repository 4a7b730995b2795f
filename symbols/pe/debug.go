package pe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"dap-windbg/binfmt/mmap"
	"dap-windbg/symbols"
	"dap-windbg/symbols/dwarf"
	"dap-windbg/symbols/pdb"
)

// answers is what the image's debug information tells.
type answers interface {
	symbols.Liner
	symbols.Scoper
	symbols.Typer
	symbols.Macros
	symbols.Indexer
	symbols.TailCaller
}

var (
	_ symbols.Image      = (*Image)(nil)
	_ symbols.Liner      = (*Image)(nil)
	_ symbols.Scoper     = (*Image)(nil)
	_ symbols.Typer      = (*Image)(nil)
	_ symbols.Unwinder   = (*Image)(nil)
	_ symbols.Macros     = (*Image)(nil)
	_ symbols.Indexer    = (*Image)(nil)
	_ symbols.TailCaller = (*Image)(nil)
	_ symbols.Parted     = (*Image)(nil)
	_ symbols.SourceSums = (*Image)(nil)

	_ answers = dwarf.Answers{}
	_ answers = pdb.Answers{}
)

// database is the image's PDB.
type database struct {
	*pdb.File
	path  string
	bytes *mmap.File // keeps what File reads
	guard mmap.Guard
}

// openPDB makes the PDB reader.
func (i *Image) openPDB(path string) error {
	m, err := mmap.Open(path)
	if err != nil {
		return err
	}
	d := &database{path: path, bytes: m}
	o := pdb.Options{Arch: i.arch, Image: i, Guard: d.guard.Do, Prologue: i.prologue}
	if !d.guard.Do(func() { d.File, err = pdb.Open(m.Data, o) }) {
		err = errors.New("the file was cut short while it was read")
	}
	if err == nil && !i.opt.AnyBuild {
		err = i.sameBuild(d.File)
	}
	if err != nil {
		return &FileError{path, err}
	}
	i.pdb, i.answers = d, d.File.Answers()
	return nil
}

// findPDB looks for the PDB that the image names, if it names one.
func (i *Image) findPDB() error {
	cv, ok := i.file.CodeView()
	if !ok || i.opt.Companions == nil {
		return nil
	}
	c := symbols.Companion{Kind: symbols.Database, For: i.path, Image: i.path, Name: cv.Path, ID: binary.LittleEndian.AppendUint32(cv.GUID[:], cv.Age)}
	if cv.Old {
		c.ID = binary.LittleEndian.AppendUint32(cv.GUID[:4], cv.Age)
	}
	if i.file.Loaded() {
		c.Image = ""
	}
	var last error // what is wrong with the file that came nearest
	c.Accept = func(path string) error {
		err := i.acceptable(path)
		if i.opt.AnyBuild && errors.As(err, new(*BuildError)) {
			return nil
		}
		if err != nil {
			last = err
		}
		return err
	}
	path, err := i.opt.Companions(c)
	switch {
	case err == nil:
		return i.openPDB(path)
	case last != nil:
		return last
	}
	return err
}

// acceptable looks into a PDB and says why it is not the image's.
func (i *Image) acceptable(path string) error {
	m, err := mmap.Open(path)
	if err != nil {
		return err
	}
	var guard mmap.Guard
	var f *pdb.File
	if !guard.Do(func() { f, err = pdb.Open(m.Data, pdb.Options{}) }) {
		err = errors.New("the file was cut short while it was read")
	}
	if err == nil {
		err = i.sameBuild(f)
	}
	runtime.KeepAlive(m) // the bytes go with it
	return err
}

// Missing implements symbols.Parted.
func (i *Image) Missing() []error { return i.missing }

// BuildError: a PDB is of another build than the image.
type BuildError struct{ Want, Got string }

func (e *BuildError) Error() string {
	return fmt.Sprintf("it is of build %s, the image names %s", e.Got, e.Want)
}

// Hint says what the user can do.
func (e *BuildError) Hint() string {
	return "point .sympath at the PDB of the running build, or force it with .reload /i"
}

// sameBuild compares GUIDs. The age in the PDB grows with each link that adds to
// it, so that a higher one is of the same build.
func (i *Image) sameBuild(f *pdb.File) error {
	cv, ok := i.file.CodeView()
	if !ok {
		return nil
	}
	if cv.Old {
		if want := binary.LittleEndian.Uint32(cv.GUID[:]); want != f.Signature() {
			return &BuildError{fmt.Sprintf("%08X", want), fmt.Sprintf("%08X", f.Signature())}
		}
		return nil
	}
	if want, got := (pdb.Identity{GUID: cv.GUID, Age: cv.Age}), f.Identity(); want.GUID != got.GUID {
		return &BuildError{want.String(), got.String()}
	}
	return nil
}

// PDB is the path of the PDB in use, "" when there is none.
func (i *Image) PDB() string {
	if i.pdb == nil {
		return ""
	}
	return i.pdb.path
}

// SourceSum implements symbols.SourceSums.
func (i *Image) SourceSum(file string) (s symbols.SourceSum, ok bool) {
	if i.pdb != nil {
		i.pdb.guard.Do(func() { s, ok = i.pdb.SourceSum(file) })
	}
	return s, ok
}
