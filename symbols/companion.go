package symbols

import "fmt"

// CompanionKind sorts the files that an image's debug information may be divided over.
type CompanionKind uint8

const (
	// Supplement is what several debug files have in common, as dwz writes it:
	// .gnu_debugaltlink, or .debug_sup of DWARF 5 (section 7.3.6).
	Supplement CompanionKind = iota
	// Package holds the split units of one image, the image's name with .dwp.
	Package
	// SplitUnit is one split unit, DW_AT_dwo_name.
	SplitUnit
	// Database is a program database (PDB), which a Windows image names.
	Database
)

func (k CompanionKind) String() string {
	return [...]string{"supplementary file", "package of split units", "split unit", "program database"}[k]
}

// Companion names a file that the debug information of another refers to.
type Companion struct {
	Kind CompanionKind
	// For is the local file that refers to it; Image is the local file of the
	// image itself when that is another one, else "".
	For, Image string
	// Name is as recorded: the path of the common file or DW_AT_dwo_name; "" of a
	// package, which goes by the names of For and Image.
	Name string
	// Dir is DW_AT_comp_dir of the unit, which Name of a split unit is relative to.
	Dir string
	// ID is the build-id of the common file; of a package the image's own; of a
	// program database its GUID as in the file (of old ones the signature), and its age
	// in 4 bytes, the lowest first.
	ID []byte
	// Accept looks into a candidate and says why it is not the one: a split unit
	// has its id inside. Nil accepts what opens.
	Accept func(path string) error
}

func (c Companion) String() string {
	if c.Name == "" {
		return fmt.Sprintf("%s of %s", c.Kind, c.For)
	}
	return fmt.Sprintf("%s %s of %s", c.Kind, c.Name, c.For)
}

// Companions finds companions: their local path, or *NotFoundError with every
// place tried. It may fetch them, and then blocks; answers are remembered.
type Companions func(Companion) (path string, err error)

// Parted is an Image whose names may lie in several files.
type Parted interface {
	// Missing tells each file that was asked for so far and could not be had.
	Missing() []error
}
