package store

import (
	"encoding/hex"
	"hash/crc32"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"dap-windbg/binfmt/mmap"
)

// at is the place of one local file.
func (s *search) at(elem ...string) place {
	return func() *file { return s.load(filepath.Join(elem...)) }
}

// folder lists the places of names in a folder of the user's. One that is not
// there is told once; a subfolder that is not there is not told.
func (s *search) folder(dir string, names ...string) []place {
	var out []place
	for i, name := range names {
		if name == "" || slices.Contains(names[:i], name) {
			continue
		}
		out = append(out, func() *file {
			if s.missing(dir) {
				return nil
			}
			full := filepath.Join(dir, name)
			if sub := filepath.Dir(full); sub != filepath.Clean(dir) {
				if _, err := os.Stat(sub); err != nil {
					return nil
				}
			}
			return s.load(full)
		})
	}
	return out
}

// missing reports whether a folder is not there, and notes it once.
func (s *search) missing(dir string) bool {
	gone, known := s.folders[dir]
	if !known {
		st, err := os.Stat(dir)
		switch {
		case err != nil:
			s.try(dir, reason(err))
		case !st.IsDir():
			s.try(dir, "not a folder")
		}
		gone = err != nil || !st.IsDir()
		if s.folders == nil {
			s.folders = map[string]bool{}
		}
		s.folders[dir] = gone
	}
	return gone
}

// extension is what WinDbg calls the subfolder for files of a name: exe, dll, so.
func extension(name string) string {
	for name != "" {
		ext := strings.ToLower(filepath.Ext(name))
		if strings.Trim(ext, ".0123456789") != "" {
			return ext[1:]
		}
		if ext == "" {
			break
		}
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return ""
}

// inSubfolders is name where WinDbg looks for it below a folder: DIR, DIR/EXT,
// DIR/symbols/EXT, and DIR/symbols.
func (s *search) inSubfolders(name string) []string {
	out := []string{name, filepath.Join("symbols", name)}
	if ext := extension(s.key.Name); ext != "" {
		out = append(out, filepath.Join(ext, name), filepath.Join("symbols", ext, name))
	}
	return out
}

// isStore reports whether a folder of the user's is laid out as a symbol store.
func isStore(dir string) bool {
	for _, mark := range []string{"pingme.txt", "index2.txt", "000Admin"} {
		if _, err := os.Stat(filepath.Join(dir, mark)); err == nil {
			return true
		}
	}
	return false
}

// inElements lists the places of a path, in its order; names are looked for in
// folders. Caches keep what elements to their right have.
func (s *search) inElements(elements []Element, kind string, names []string) []place {
	var out []place
	var left []string
	for _, e := range elements {
		var places []place
		if e.Kind == Folder {
			places = s.folder(e.Path, names...)
			if isStore(e.Path) {
				places = append(places, s.served(Element{Kind: CacheDir, Path: e.Path}, kind, left))
			}
		} else {
			places = []place{s.served(e, kind, left)}
		}
		caches := slices.Clone(left)
		for _, p := range places {
			out = append(out, func() *file {
				f := p()
				if keys := s.serverKeys(kind); f != nil && len(f.copies) == 0 && len(keys) > 0 {
					f.keep(keys[0], caches)
				}
				return f
			})
		}
		if e.Kind == CacheDir {
			left = append(left, s.cacheDir(e.Path))
		}
	}
	return out
}

// inside is the image's path below a folder that holds the debuggee's file system.
func (s *search) inside() string {
	return filepath.Clean(string(filepath.Separator) + filepath.FromSlash(slashes(s.key.Path)))
}

// imagePlaces lists where the image itself may lie, in the order of looking.
func (s *search) imagePlaces() []place {
	if s.windows != nil {
		return s.windowsPlaces()
	}
	var out []place
	local := filepath.FromSlash(s.key.Path)
	if s.sysroot != "" && s.key.Path != "" {
		out = append(out, s.at(s.sysroot, s.inside()))
	}
	if !s.o.NoLocal && (!s.o.Foreign || len(s.id) > 0) && filepath.IsAbs(local) {
		out = append(out, s.at(local))
	}
	names := s.inSubfolders(s.key.Name)
	if s.key.Path != "" && s.key.Path != s.key.Name {
		names = append([]string{s.inside()}, names...)
	}
	names = append(names, s.buildIDPath(""))
	out = append(out, s.inElements(append(s.image, s.symbol...), executable, names)...)
	return append(out, s.remote(s.key.Path))
}

// debugPlaces lists where the debug file of image (nil when not found) may lie:
// what is on this machine's disks first, then servers in the path's order, then
// the debuggee's own.
func (s *search) debugPlaces(image *file) []place {
	var out []place
	if image != nil {
		out = append(out, s.linked(image)...)
	}
	byID := s.buildIDPath(".debug")
	names := append([]string{byID}, s.inSubfolders(s.key.Name+".debug")...)
	names = append(names, filepath.Join(".debug", s.key.Name+".debug"))
	if s.key.Path != "" {
		names = append(names, s.inside()+".debug")
	}
	names = append(names, s.inSubfolders(s.key.Name)...)
	far := slices.IndexFunc(s.symbol, func(e Element) bool { return e.Kind != Folder })
	if far < 0 {
		far = len(s.symbol)
	}
	out = append(out, s.inElements(s.symbol[:far], debuginfo, names)...)
	roots := []string{debugRoot}
	if s.sysroot != "" {
		roots = []string{filepath.Join(s.sysroot, debugRoot), debugRoot}
	}
	for _, root := range roots {
		if byID != "" {
			out = append(out, s.at(root, byID))
		}
	}
	out = append(out, s.inElements(s.symbol[far:], debuginfo, names)...)
	if byID != "" {
		out = append(out, s.remote(path.Join(debugRoot, filepath.ToSlash(byID))))
	}
	return out
}

// buildIDPath is .build-id/ab/cdef + suffix, "" without a build-id.
func (s *search) buildIDPath(suffix string) string {
	if len(s.id) < 2 {
		return ""
	}
	text := hex.EncodeToString(s.id)
	return filepath.Join(".build-id", text[:2], text[2:]+suffix)
}

// linked lists the places a .gnu_debuglink names: beside the image, in .debug
// beside it, and below the debug root. Without a build-id the CRC decides.
func (s *search) linked(image *file) []place {
	var name string
	var crc uint32
	var ok bool
	var guard mmap.Guard
	guard.Do(func() { name, crc, ok = image.DebugLink() })
	if !ok || name != filepath.Base(name) || name == "." || name == ".." || name != hostName(name, filepath.Separator) {
		return nil
	}
	dir := filepath.Dir(image.path)
	home := filepath.Dir(filepath.Clean("/" + filepath.FromSlash(s.key.Path)))
	candidates := []string{filepath.Join(dir, name), filepath.Join(dir, ".debug", name)}
	if real := realDir(image.path); real != dir {
		candidates = append(candidates, filepath.Join(real, name), filepath.Join(real, ".debug", name))
	}
	candidates = append(candidates, filepath.Join(debugRoot, home, name))
	if s.sysroot != "" {
		candidates = append(candidates, filepath.Join(s.sysroot, debugRoot, home, name))
	}
	for _, e := range s.symbol {
		if e.Kind == Folder {
			candidates = append(candidates, filepath.Join(e.Path, home, name), filepath.Join(e.Path, name), filepath.Join(e.Path, ".debug", name))
		}
	}
	var out []place
	for i, c := range candidates {
		if c == image.path || slices.Contains(candidates[:i], c) {
			continue
		}
		out = append(out, func() *file {
			f := s.load(c)
			if f == nil || len(s.id) > 0 {
				return f
			}
			var guard mmap.Guard
			same := false
			if !guard.Do(func() { same = crc32.ChecksumIEEE(f.data.Data) == crc }) || !same {
				s.try(c, "its checksum is not the one the image names")
				return nil
			}
			return f
		})
	}
	return out
}
