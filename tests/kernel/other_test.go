package kernel

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// otherKernel makes a file that looks like the vmlinux of some other kernel, and returns
// its build-id too.
func otherKernel(t *testing.T) (file, id string) {
	t.Helper()
	dir := t.TempDir()
	src, file := filepath.Join(dir, "other.s"), filepath.Join(dir, "vmlinux")
	text := ".globl _text, asm_exc_divide_error, linux_banner\n_text: ret\nasm_exc_divide_error: ret\n.data\nlinux_banner: .asciz \"Linux version 0\"\n"
	if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("gcc", "-nostdlib", "-static", "-Wl,--build-id=sha1,-Ttext-segment=0xffffffff81000000,-e,_text", "-mcmodel=kernel", "-o", file, src).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	note, err := f.Section(".note.gnu.build-id").Data()
	if err != nil {
		t.Fatal(err)
	}
	return file, fmt.Sprintf("%x", note[len(note)-20:])
}
