package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dap-windbg/binfmt/mmap"
	"dap-windbg/binfmt/pe"
	"dap-windbg/symbols"
)

// This file finds images and program databases of Windows. Symbol servers keep
// images by time stamp and size, databases by GUID and age (Microsoft, "Using
// SymStore" and "SymSrv"; SSQP key conventions "PE-timestamp-filesize" and "PDB-Signature").

// windowsFile is how a file of Windows is looked for and known.
type windowsFile struct {
	keys []string // where symbol servers keep it, best first
	// check says why a file is not the one; other builds say so with a *windowsBuildError.
	check func(name string, data []byte) error
	image string // the image that a database is of
}

// windowsBuildError: a file is of another build.
type windowsBuildError struct{ want, got string }

func (e *windowsBuildError) Error() string {
	return fmt.Sprintf("of build %s, the debuggee runs %s", e.got, e.want)
}

// IsWindows reports whether a key is of a Windows image: it has a time stamp, or a
// path or name as Windows has them.
func IsWindows(key symbols.Key) bool {
	if len(key.BuildID) > 0 {
		return false
	}
	if key.Stamp != 0 || strings.Contains(key.Path, `\`) || len(key.Path) > 2 && key.Path[1] == ':' {
		return true
	}
	return slices.Contains([]string{"exe", "dll", "sys", "drv", "efi"}, extension(baseName(key.Path)))
}

// bothCases is a key with its name as it is and in lower case.
func bothCases(name, id string) []string {
	keys := []string{path.Join(name, id, name)}
	if lower := strings.ToLower(name); lower != name {
		keys = append(keys, path.Join(lower, id, lower))
	}
	return keys
}

// windowsImage is how an image is looked for.
func windowsImage(key symbols.Key) *windowsFile {
	w := &windowsFile{}
	build := func(stamp uint32, size uint64) string { return fmt.Sprintf("%08X%x", stamp, size) }
	if key.Stamp != 0 && key.Size != 0 && key.Name != "" && key.Name != "." {
		w.keys = bothCases(key.Name, build(key.Stamp, key.Size))
	}
	w.check = func(_ string, data []byte) error {
		f, err := pe.Parse(data)
		if err != nil {
			return err
		}
		if key.Stamp != 0 && (f.Stamp != key.Stamp || key.Size != 0 && uint64(f.ImageSize) != key.Size && stripped(f) != key.Size) {
			return &windowsBuildError{build(key.Stamp, key.Size), build(f.Stamp, uint64(f.ImageSize))}
		}
		return nil
	}
	return w
}

// stripped is the size in memory that an image has without its debug information, which
// MinGW's linkers put behind all else, and strip takes away.
func stripped(f *pe.File) uint64 {
	end, page := uint64(0), uint64(max(f.SectionAlignment, 1))
	for i := range f.Sections {
		if s := &f.Sections[i]; !strings.HasPrefix(s.Name, ".debug_") {
			end = max(end, uint64(s.Addr)+uint64(s.Size()))
		}
	}
	return (end + page - 1) / page * page
}

// windowsDatabase is how a program database is looked for.
func windowsDatabase(c symbols.Companion) *windowsFile {
	w := &windowsFile{image: c.Image}
	name := baseName(backslashed(c.Name))
	if id := c.ID; len(id) == 8 && name != "" { // signature and age
		w.keys = bothCases(name, fmt.Sprintf("%08X%X", binary.LittleEndian.Uint32(id), binary.LittleEndian.Uint32(id[4:])))
	} else if len(id) >= 20 && name != "" {
		w.keys = bothCases(name, fmt.Sprintf("%08X%04X%04X%X%X", binary.LittleEndian.Uint32(id), binary.LittleEndian.Uint16(id[4:]),
			binary.LittleEndian.Uint16(id[6:]), id[8:16], binary.LittleEndian.Uint32(id[16:])))
	}
	w.check = func(name string, _ []byte) error {
		if c.Accept != nil {
			return c.Accept(name)
		}
		return nil
	}
	return w
}

// loadWindows looks at a local file and compares builds.
func (s *search) loadWindows(name string, m *mmap.File) *file {
	var guard mmap.Guard
	var err error
	if !guard.Do(func() { err = s.windows.check(name, m.Data) }) {
		err = errors.New("the file was cut short while it was read")
	}
	if err == nil {
		return &file{path: name, data: m}
	}
	if s.forced && errors.As(err, new(*windowsBuildError)) {
		return &file{path: name, data: m, wrong: true}
	}
	s.try(name, err.Error())
	return nil
}

// backslashed is a path of Windows with forward slashes.
func backslashed(p string) string { return strings.ReplaceAll(p, `\`, "/") }

// drive takes the letter of a drive off a path with slashes.
func drive(p string) (letter byte, rest string) {
	if len(p) > 1 && p[1] == ':' {
		return p[0] | 0x20, p[2:]
	}
	return 0, p
}

// windowsPlaces lists where an image may lie: below the sysroot, on this machine
// where the debuggee's files are this machine's (Wine calls the root Z:), then what
// the paths name.
func (s *search) windowsPlaces() []place {
	var out []place
	letter, inside := drive(backslashed(s.key.Path))
	inside = filepath.Clean(string(filepath.Separator) + filepath.FromSlash(inside))
	if s.sysroot != "" && s.key.Path != "" {
		out = append(out, s.foldedAt(filepath.Join(s.sysroot, inside)))
	}
	if !s.o.NoLocal && (!s.o.Foreign || s.key.Stamp != 0) && strings.ContainsAny(s.key.Path, `/\`) {
		local := filepath.FromSlash(s.key.Path)
		if letter == 'z' && filepath.Separator == '/' {
			local = inside
		}
		if filepath.IsAbs(local) {
			out = append(out, s.foldedAt(local))
		}
	}
	out = append(out, s.windowsElements(append(s.image, s.symbol...), s.key.Name, extension(s.key.Name))...)
	return append(out, s.remote(s.key.Path))
}

// databasePlaces lists where a database may lie: beside the image, where the linker
// put it if that is on this machine, then what the paths name.
func (s *search) databasePlaces(c symbols.Companion) []place {
	var out []place
	name := baseName(backslashed(c.Name))
	if name == "" {
		return nil
	}
	for _, f := range []string{c.Image, c.For} {
		if f != "" {
			out = append(out, s.foldedAt(filepath.Join(filepath.Dir(f), name)))
		}
	}
	recorded := filepath.FromSlash(backslashed(c.Name))
	if letter, rest := drive(backslashed(c.Name)); letter == 'z' && filepath.Separator == '/' {
		recorded = filepath.FromSlash(rest)
	} else if filepath.Separator == '\\' {
		recorded = filepath.FromSlash(c.Name)
	}
	if !s.o.NoLocal && filepath.IsAbs(recorded) {
		out = append(out, s.foldedAt(recorded))
	}
	return append(out, s.windowsElements(s.symbol, name, extension(baseName(backslashed(c.For))))...)
}

// windowsElements lists the places of a path for a file that goes with an image of
// kind ext: DIR, DIR/EXT and DIR/symbols/EXT of folders, and the servers.
func (s *search) windowsElements(elements []Element, name, ext string) []place {
	names := []string{name, filepath.Join("symbols", name)}
	if ext != "" {
		names = append(names, filepath.Join(ext, name), filepath.Join("symbols", ext, name))
	}
	var folded []string
	for _, n := range names {
		folded = append(folded, n)
		if lower := filepath.Join(filepath.Dir(n), strings.ToLower(name)); lower != n {
			folded = append(folded, lower)
		}
	}
	return s.inElements(elements, executable, folded)
}

// foldedAt is a file of this machine whose name's case may be another than told.
func (s *search) foldedAt(name string) place {
	return func() *file {
		if found, ok := folded(name); ok {
			name = found
		}
		return s.at(name)()
	}
}

// maxElements bounds the elements of a path that are looked for in any case.
const maxElements = 64

// folded finds a file whatever the case of its path's letters.
func folded(name string) (string, bool) {
	if _, err := os.Stat(name); err == nil {
		return name, true
	}
	parts := strings.Split(filepath.ToSlash(filepath.Clean(name)), "/")
	if len(parts) > maxElements || parts[0] != "" {
		return "", false
	}
	dir := string(filepath.Separator)
	for _, p := range parts[1:] {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", false
		}
		i := slices.IndexFunc(entries, func(e os.DirEntry) bool { return e.Name() == p })
		if i < 0 {
			i = slices.IndexFunc(entries, func(e os.DirEntry) bool { return strings.EqualFold(e.Name(), p) })
		}
		if i < 0 {
			return "", false
		}
		dir = filepath.Join(dir, entries[i].Name())
	}
	return dir, true
}
