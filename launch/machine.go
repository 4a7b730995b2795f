package launch

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"dap-windbg/engine"
	"dap-windbg/symbols"
	"dap-windbg/symbols/elf"
	"dap-windbg/symbols/store"
	"dap-windbg/systems/linuxkernel"
)

// This file finds the files of a Linux kernel and of its modules.

// kernelStore finds what runs on a machine: its kernel among the files named vmlinux,
// modules below folders of modules, all by their build-ids.
type kernelStore struct {
	imageStore
	d      *Debugger
	system *linuxkernel.System

	*kernelImages

	mu    sync.Mutex
	trees map[string]map[string][]string // files of modules by name, of each folder
	told  map[string]bool                // files that were refused
}

// linuxKernel makes the System and the Store of a machine that runs Linux. Files that
// were opened for the machine before serve again.
func (d *Debugger) linuxKernel() (*linuxkernel.System, *kernelStore) {
	k := &kernelStore{imageStore: imageStore{d.files.store, true}, d: d, kernelImages: &d.files.kernels,
		trees: map[string]map[string][]string{}, told: map[string]bool{}}
	k.system = linuxkernel.New(linuxkernel.Options{Images: k.images, Given: k.given, Keep: d.files.keepKernel, Kept: d.files.keptKernel, Reading: d.reading})
	return k.system, k
}

// kernelImages are the images that were opened for machines. They stay as long as the
// Debugger: front ends may still look at what was.
type kernelImages struct {
	opening sync.Mutex
	opened  map[string]symbols.Image // vmlinux files by name, nil: it is none
	placed  []symbols.Image          // of modules, each as it lay in one place
}

func (k *kernelImages) close() {
	k.opening.Lock()
	defer k.opening.Unlock()
	for _, img := range k.opened {
		if img != nil {
			img.Close()
		}
	}
	for _, img := range k.placed {
		img.Close()
	}
	k.opened, k.placed = nil, nil
}

// named are the files that the user has named: the connection's vmlinux, then those in
// the folders of the symbol path.
func (k *kernelStore) named(release string) []string {
	var out []string
	if c := k.d.Plan().Connection; c != nil && c.Get("vmlinux") != "" {
		out = append(out, c.Get("vmlinux"))
	}
	for _, dir := range k.folders() {
		if strings.HasPrefix(filepath.Base(dir), "vmlinux") {
			out = append(out, dir) // the entry is the file itself
			continue
		}
		out = append(out, filepath.Join(dir, "vmlinux"))
		if release != "" {
			out = append(out, filepath.Join(dir, "vmlinux-"+release))
		} else if more, err := filepath.Glob(filepath.Join(dir, "vmlinux-*")); err == nil {
			out = append(out, more...)
		}
	}
	return out
}

// folders are those of the symbol and image paths.
func (k *kernelStore) folders() []string {
	var out []string
	for _, path := range [][]store.Element{k.Store.SymbolPath(), k.Store.ImagePath()} {
		for _, e := range path {
			if e.Kind == store.Folder {
				out = append(out, e.Path)
			}
		}
	}
	return out
}

// images opens what may be the vmlinux of a kernel.
func (k *kernelStore) images(release string) []symbols.Image {
	names := k.named(release)
	if release == "" {
		installed, _ := filepath.Glob("/usr/lib/debug/boot/vmlinux-*")
		slices.Reverse(installed)
		names = append(names, installed...)
	} else {
		for _, pattern := range []string{"/usr/lib/debug/boot/vmlinux-@", "/usr/lib/debug/lib/modules/@/vmlinux", "/lib/modules/@/build/vmlinux", "/boot/vmlinux-@"} {
			names = append(names, strings.ReplaceAll(pattern, "@", release))
		}
	}
	return k.open(names)
}

// given is the vmlinux that the user has named, nil when there is none or several.
func (k *kernelStore) given() symbols.Image {
	all := k.open(k.named(""))
	if len(all) != 1 && (len(all) == 0 || !k.d.Plan().Connection.Has("vmlinux")) {
		return nil
	}
	return all[0]
}

func (k *kernelStore) open(names []string) []symbols.Image {
	k.opening.Lock()
	defer k.opening.Unlock()
	if k.opened == nil {
		k.opened = map[string]symbols.Image{}
	}
	var out []symbols.Image
	for _, name := range names {
		img, known := k.opened[name]
		if !known {
			if st, err := os.Stat(name); err == nil && st.Mode().IsRegular() {
				if i, err := k.kernelImage(name); err == nil {
					img = i
				}
			}
			k.opened[name] = img
		}
		if img != nil && !slices.Contains(out, img) {
			out = append(out, img)
		}
	}
	return out
}

// kernelImage opens a vmlinux.
func (k *kernelStore) kernelImage(name string) (*elf.Image, error) {
	return elf.Open(name, elf.Options{Unwinder: unwinder, Companions: k.Store.Companion, Index: k.d.files.index, Patched: true})
}

// Find implements symbols.Store.
func (k *kernelStore) Find(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	if key.Path != linuxkernel.KernelName {
		return k.module(ctx, key)
	}
	named := k.open(k.named(""))
	for _, img := range append(slices.Clone(named), k.images(k.release())...) {
		if len(key.BuildID) > 0 && bytes.Equal(img.Key().BuildID, key.BuildID) {
			return img, nil
		}
	}
	var refused error
	for _, img := range named {
		e := &symbols.MismatchError{Path: img.Path(), Want: key.BuildID, Got: img.Key().BuildID}
		refused = errors.Join(refused, e)
		k.refuse(e)
	}
	img, err := k.imageStore.Find(ctx, key)
	if img == nil {
		return nil, errors.Join(err, refused)
	}
	if own := k.open([]string{img.Path()}); len(own) > 0 {
		return own[0], err
	}
	return img, err
}

// release of the kernel as far as it is known.
func (k *kernelStore) release() string { return k.system.Release() }

// refuse tells once that a file which the user named is of another build.
func (k *kernelStore) refuse(e *symbols.MismatchError) {
	k.mu.Lock()
	told := k.told[e.Path]
	k.told[e.Path] = true
	k.mu.Unlock()
	if !told && len(e.Want) > 0 {
		k.d.tell(engine.Important, "%s; it is not used. %s", e, e.Hint())
	}
}

// FindAny is Find without regard to the build, as far as there is a choice.
func (k *kernelStore) FindAny(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	img, err := k.Find(ctx, key)
	if err == nil || key.Path != linuxkernel.KernelName {
		return img, err
	}
	for _, other := range k.open(k.named("")) {
		return other, &symbols.MismatchError{Path: other.Path(), Want: key.BuildID, Got: other.Key().BuildID}
	}
	return img, err
}

// module opens a module's file with its sections where the kernel has put them.
func (k *kernelStore) module(ctx context.Context, key symbols.Key) (symbols.Image, error) {
	at, ok := k.system.Placement(key.Path)
	if !ok { // it was put in the list by hand
		return k.imageStore.Find(ctx, key)
	}
	if len(at.Sections) == 0 {
		return nil, &symbols.NotFoundError{What: key.Path + ": where its sections lie is not known"}
	}
	q := &moduleSearch{key: key, tried: &symbols.NotFoundError{What: key.Path}}
	for _, dir := range k.moduleFolders() {
		q.look(k.tree(dir)[spelled(key.Path)])
	}
	if q.debug == "" {
		if img, err := k.imageStore.Find(ctx, symbols.Key{Path: "/" + key.Path, Name: key.Name, BuildID: key.BuildID}); err == nil && img != nil {
			q.debug = img.Path()
		}
	}
	main, debug := q.code, q.debug
	if main == "" {
		main, debug = debug, ""
	}
	if main == "" {
		return nil, q.tried
	}
	img, err := elf.Open(main, elf.Options{Key: key, Debug: debug, Sections: at.Sections, Unwinder: unwinder, Companions: k.Store.Companion, Patched: true})
	if err != nil {
		return nil, err
	}
	if img.LinkBase() != uint64(at.Base) {
		img.Close()
		return nil, &symbols.NotFoundError{What: key.Path + ": its sections do not lie as the file has them"}
	}
	k.opening.Lock()
	k.placed = append(k.placed, img)
	k.opening.Unlock()
	return img, nil
}

// moduleSearch picks the files of one module.
type moduleSearch struct {
	key         symbols.Key
	code, debug string
	tried       *symbols.NotFoundError
}

// look takes from files the one with code and the one with debug information.
func (q *moduleSearch) look(files []string) {
	for _, name := range files {
		img, err := elf.Open(name, elf.Options{})
		if err != nil {
			q.tried.Tried = append(q.tried.Tried, symbols.Attempt{Place: name, Result: err.Error()})
			continue
		}
		id, kind, size := img.Key().BuildID, img.Debug(), 0
		if text, _, ok := img.Section(".text"); ok {
			size = len(text)
		}
		img.Close()
		switch {
		case len(q.key.BuildID) > 0 && !bytes.Equal(id, q.key.BuildID):
			e := &symbols.MismatchError{Path: name, Want: q.key.BuildID, Got: id}
			q.tried.Tried = append(q.tried.Tried, symbols.Attempt{Place: name, Result: e.Error()})
		case kind == symbols.DWARF && q.debug == "":
			q.debug = name
		case size > 0 && q.code == "":
			q.code = name
		}
	}
}

// moduleFolders are where modules are looked for.
func (k *kernelStore) moduleFolders() []string {
	out := k.folders()
	if release := k.release(); release != "" {
		out = append(out, "/usr/lib/debug/lib/modules/"+release, "/lib/modules/"+release)
	}
	return out
}

// maxTree bounds how many files of a folder are looked at; distributions have some
// 5,000 modules.
const maxTree = 50_000

// tree lists the files of modules below a folder by their names, once.
func (k *kernelStore) tree(dir string) map[string][]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t, ok := k.trees[dir]; ok {
		return t
	}
	t, n := map[string][]string{}, 0
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if n++; n > maxTree {
			return fs.SkipAll
		}
		if err == nil && e.Type().IsRegular() {
			if base, ok := strings.CutSuffix(strings.TrimSuffix(e.Name(), ".debug"), ".ko"); ok {
				t[spelled(base)] = append(t[spelled(base)], path)
			}
		}
		return nil
	})
	k.trees[dir] = t
	return t
}

// spelled is a module's name as the kernel has it: files may have dashes.
func spelled(file string) string {
	return strings.ReplaceAll(strings.TrimSuffix(file, ".ko"), "-", "_")
}
