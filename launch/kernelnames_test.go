package launch

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"dap-windbg/symbols/index"
)

// TestKeptKernel: what is kept of a kernel is there again, whatever else is kept; nothing is
// where it is damaged, of another build, or the folder cannot be made.
func TestKeptKernel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "index")
	f := &files{index: &index.Cache{Dir: dir}}
	build, data := []byte("0123456789"), bytes.Repeat([]byte("names "), 50_000)
	if f.keptKernel(build, "kallsyms") != nil {
		t.Error("something is there at first")
	}
	f.keepKernel(build, "kallsyms", data)
	f.keepKernel(build, "btf", data[:100])
	if !bytes.Equal(f.keptKernel(build, "kallsyms"), data) || !bytes.Equal(f.keptKernel(build, "btf"), data[:100]) || f.keptKernel([]byte("9876543210"), "btf") != nil {
		t.Error("what is kept is not what is there")
	}
	var paths []string
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	for _, damage := range []func(all []byte) []byte{
		func(all []byte) []byte { return all[:len(all)/2] },
		func(all []byte) []byte { all[len(all)/2] ^= 1; return all },
		func(all []byte) []byte { return nil },
	} {
		for _, path := range paths {
			f.keepKernel(build, "kallsyms", data)
			f.keepKernel(build, "btf", data[:100])
			all, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, damage(all), 0o600); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string][]byte{"kallsyms": data, "btf": data[:100]} {
				if got := f.keptKernel(build, name); got != nil && !bytes.Equal(got, want) {
					t.Errorf("%s damaged: %d bytes of %s", path, len(got), name)
				}
			}
		}
	}
	none := &files{}
	none.keepKernel(build, "btf", data)
	if none.keptKernel(build, "btf") != nil || f.keptKernel(nil, "btf") != nil {
		t.Error("something is kept without a cache or a build")
	}
	blocked := &files{index: &index.Cache{Dir: filepath.Join(paths[0], "under a file")}}
	blocked.keepKernel(build, "btf", data)
	if blocked.keptKernel(build, "btf") != nil {
		t.Error("something is kept where nothing can be")
	}
}

// TestKeptKernelCollected: what was kept is copied before its file is let go of.
func TestKeptKernelCollected(t *testing.T) {
	f := &files{index: &index.Cache{Dir: t.TempDir()}}
	build, data := []byte("0123456789"), bytes.Repeat([]byte("names "), 1<<18)
	f.keepKernel(build, "kallsyms", data)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for range 60 {
				if !bytes.Equal(f.keptKernel(build, "kallsyms"), data) {
					t.Error("what is kept is not what is there")
				}
				runtime.GC()
			}
		})
	}
	readers.Wait()
}
