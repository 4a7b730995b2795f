package windbg

import (
	"fmt"
	"os"
	runs "os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/binfmt/elf"
	"dap-windbg/binfmt/pe"
)

// compiled compiles a program and returns its path and bytes.
func compiled(t *testing.T, cc string, args ...string) (string, []byte) {
	t.Helper()
	dir := t.TempDir()
	src, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.out")
	if err := os.WriteFile(src, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := runs.Command(cc, append([]string{"-g", "-Wl,--build-id", "-o", out, src}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, b)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return out, data
}

func said(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := runs.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return string(out)
}

// TestHeadersPE compares the values of !dh with llvm-readobj's.
func TestHeadersPE(t *testing.T) {
	path, data := compiled(t, "x86_64-w64-mingw32-gcc")
	f, err := pe.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	text := peHeaders(f, true, true) + peDebug(f)
	theirs := said(t, "llvm-readobj", "--file-headers", "--sections", path)
	for key, title := range map[string]string{
		"SectionCount": "number of sections", "SymbolCount": "number of symbols", "PointerToSymbolTable": "file pointer to symbol table",
		"OptionalHeaderSize": "size of optional header", "SizeOfCode": "size of code", "SizeOfInitializedData": "size of initialized data",
		"SizeOfUninitializedData": "size of uninitialized data", "AddressOfEntryPoint": "address of entry point", "BaseOfCode": "base of code",
		"SectionAlignment": "section alignment", "FileAlignment": "file alignment", "SizeOfImage": "size of image", "SizeOfHeaders": "size of headers",
	} {
		m := regexp.MustCompile(key + `: (\w+)`).FindStringSubmatch(theirs)
		if m == nil {
			t.Errorf("llvm-readobj tells no %s", key)
			continue
		}
		v, err := strconv.ParseUint(m[1], 0, 64)
		if want := fmt.Sprintf("\n%8X %s\n", v, title); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s is %s; !dh lacks %q", key, m[1], want)
		}
	}
	sections := regexp.MustCompile(`Name: (\S+) .*\n\s+VirtualSize: 0x(\w+)\n\s+VirtualAddress: 0x(\w+)\n\s+RawDataSize: (\d+)\n`).FindAllStringSubmatch(theirs, -1)
	for _, s := range sections {
		raw, _ := strconv.Atoi(s[4])
		want := fmt.Sprintf("%8s name\n%8s virtual size\n%8s virtual address\n%8X size of raw data\n", s[1], s[2], s[3], raw)
		if !strings.Contains(text, want) {
			t.Errorf("!dh lacks section %q", want)
		}
	}
	for _, want := range []string{"File Type: EXECUTABLE IMAGE", "    8664 machine (X64)", "subsystem (Windows CUI)", "            Executable\n", "Execute Read", "Format: RSDS, {",
		fmt.Sprintf("%016x image base", f.ImageBase)} {
		if !strings.Contains(text, want) {
			t.Errorf("!dh lacks %q", want)
		}
	}
	if len(sections) < 10 || strings.Contains(peHeaders(f, false, true), "OPTIONAL") || strings.Contains(peHeaders(f, true, false), "SECTION") {
		t.Errorf("%d sections; -f and -s do not part the headers", len(sections))
	}
}

// TestHeadersELF compares them with readelf's.
func TestHeadersELF(t *testing.T) {
	path, data := compiled(t, "gcc", "-pie", "-fPIE")
	f, err := elf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	text := elfHeaders(f, true, true)
	squeezed := regexp.MustCompile(` +`).ReplaceAllString(text, " ")
	n := 0
	for _, s := range regexp.MustCompile(`\[ *\d+\] (\S+) +(\S+) +([0-9a-f]{16}) ([0-9a-f]{6}) ([0-9a-f]{6}) `).FindAllStringSubmatch(said(t, "readelf", "-SW", path), -1) {
		size, _ := strconv.ParseUint(s[5], 16, 64)
		off, _ := strconv.ParseUint(s[4], 16, 64)
		kind := strings.NewReplacer("VERSYM", "GNU_VERSYM", "VERNEED", "GNU_VERNEED").Replace(s[2])
		n++
		if want := fmt.Sprintf(" %s %s %s %x %x ", s[1], kind, s[3], size, off); !strings.Contains(squeezed, want) {
			t.Errorf("!dh lacks section %q", want)
		}
	}
	for _, s := range regexp.MustCompile(`(?m)^  (\w+) +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) `).FindAllStringSubmatch(said(t, "readelf", "-lW", path), -1) {
		var v [3]uint64
		for k, d := range []string{s[5], s[2], s[4]} {
			v[k], _ = strconv.ParseUint(d, 16, 64)
		}
		n++
		if want := fmt.Sprintf(" %s %s %x %x %x ", s[1], s[3], v[0], v[1], v[2]); !strings.Contains(squeezed, want) {
			t.Errorf("!dh lacks segment %q", want)
		}
	}
	for _, s := range regexp.MustCompile(`(?m)^ 0x\w+ \((\w+)\)`).FindAllStringSubmatch(said(t, "readelf", "-d", path), -1) {
		if n++; s[1] != "NULL" && !strings.Contains(text, "\n  "+s[1]+" ") {
			t.Errorf("!dh lacks dynamic entry %s", s[1])
		}
	}
	for _, want := range []string{"POSITION INDEPENDENT EXECUTABLE", "machine (X64)", "libc.so.6", "loader: /lib64/ld-linux", fmt.Sprintf("build-id         14  %x\n", f.BuildID())} {
		if !strings.Contains(text, want) {
			t.Errorf("!dh lacks %q", want)
		}
	}
	if n < 60 {
		t.Errorf("only %d rows were compared", n)
	}
}

// TestShown: names from files give the terminal no orders.
func TestShown(t *testing.T) {
	if got := shown("a\x1b[2J\u009bb\nüß"); got != "a?[2J?b?üß" {
		t.Errorf("%q", got)
	}
}

// TestHeadersDamaged: headers of whatever bytes end in text.
func TestHeadersDamaged(t *testing.T) {
	_, e := compiled(t, "gcc")
	_, p := compiled(t, "x86_64-w64-mingw32-gcc", "-s")
	for n := 0; n < 4096; n += 5 {
		for _, data := range [][]byte{e, p} {
			d := append([]byte(nil), data[:min(len(data), 16<<10)]...)
			d[n] ^= 0xff
			if f, err := elf.Parse(d); err == nil {
				elfHeaders(f, true, true)
			}
			if f, err := pe.Parse(d); err == nil {
				peHeaders(f, true, true)
				peDebug(f)
			}
		}
	}
}
