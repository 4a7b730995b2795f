package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImage: an image is looked at without a debuggee.
func TestImage(t *testing.T) {
	for _, flags := range [][]string{{"-pie", "-fPIE"}, {"-no-pie"}} {
		t.Run(flags[0], func(t *testing.T) {
			image := program(t, "image.c", flags...)
			commands := "x image!count*\nlm\ndt node\ndx -r2 first\n?? first.next->next->name\n?? COUNTER\n?? sizeof(node)\n?? sizeof(Twice)\n? dwo(counter)\nda greeting\ndd image!counter L1\nu image!twice L3\nub image!main L1\nuf image!twice\nln image!twice\n" +
				"bp main\nbp `image.c:13`\nbl\nk\ng\np\nr\ned counter 1\nls\n.lastevent\nvertarget\nq\n"
			debugger(t, commands, "cdb", "-z", image).Must(t, 4,
				`^Loading Dump File \[.*/image\]`,
				"^ModLoad: "+address+" "+address+"   .*/image",
				`^`+address+` image!counter = 0n42$`,
				`^`+address+` +`+address+` +image +T \(service symbols: DWARF Private Symbols\)`,
				`\+0x008 next +: Ptr64 node`,
				`^first +\[Type: node\]$`, `name +: 0x[0-9a-f]+ : "second"`, `name +: 0x[0-9a-f]+ : "first" \[Type: const char \*\]`,
				`^ "third"$`, `^int 0n42$`, `^unsigned long 0x18$`, `^unsigned long 4$`,
				`^Evaluate expression: 42 = `,
				`^`+address+`  "hello"$`,
				`^`+address+`  0000002a$`,
				`u image!twice L3\nimage!twice \[.*image\.c @ 12\]:\n`+address+` .* push    rbp`,
				`^image!twice\+.*\n.* ret$`,
				`^ +12 .* push    rbp\n(.*\n)* +12 .* ret$`,
				`Exact matches:\n    image!twice`,
				`0 e Disable Clear  `+address+`  \[.*image\.c @ 13\].*image!main`,
				`\^ No runnable debuggees error in 'k'`, `\^ No runnable debuggees error in 'g'`, `\^ No runnable debuggees error in 'p'`, `\^ No runnable debuggees error in 'r'`,
				"Not supported by this target: writing memory",
				"No source file is current", "Last event: ", "Far end: an image file")
		})
	}
	t.Run("Windows", func(t *testing.T) {
		image := filepath.Join(t.TempDir(), "image.exe")
		must(t, "x86_64-w64-mingw32-gcc", "-g", "-o", image, filepath.Join("..", "programs", "image.c"))
		debugger(t, "x image!counter\nlm\ndt node\ndx -r2 first\nu image!twice L3\nda greeting\nbp main\nbl\nk\n!dh -f image\n.reload /i\n||\nln image!counter\nvertarget\nq\n", "cdb", "-z", image).Must(t, 4,
			`^Loading Dump File \[.*/image\.exe\]`,
			`^`+address+` image!counter = 0n42$`, `^`+address+` +`+address+` +image +.*\(service symbols: DWARF Private Symbols\)`,
			`\+0x008 next +: Ptr64 node`, `name +: 0x[0-9a-f]+ : "second"`,
			`^image!twice \[.*image\.c @ 12\]:\n`+address+` .* push    rbp`, `"hello"$`, `image!main$`, `No runnable debuggees error in 'k'`,
			`machine \(X64\)`, `0 Image file: .*/image\.exe$`, `Exact matches:\n    image!counter`, `^Windows user mode, x64`)
	})
	t.Run("other CPUs", func(t *testing.T) {
		for cpu, flags := range map[string][]string{"aarch64": nil, "riscv64": {"-mno-relax"}} {
			image := filepath.Join(t.TempDir(), "image")
			args := append(flags, "--target="+cpu+"-linux-gnu", "-g", "-O1", "-nostdlib", "-fuse-ld=lld", "-fPIE", "-pie", "-Wl,-e,main", "-o", image, filepath.Join("..", "programs", "image.c"))
			must(t, "clang", args...)
			debugger(t, "uf image!main\ndx -r2 first\nq\n", "cdb", "-z", image).Must(t, 0,
				`// image!counter \(`+address+`\)`, `ret$`, `name +: 0x[0-9a-f]+ : "second"`)
		}
	})
	t.Run("run", func(t *testing.T) {
		config := filepath.Join(t.TempDir(), "launch.json")
		text := `{"type": "dap-windbg", "request": "attach", "name": "look", "coreFile": "` + program(t, "image.c") + `"}`
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		debugger(t, "", "run", "--launch", config, "-c", "?? counter").Must(t, 0, `int 0n42`)
	})
	t.Run("no image", func(t *testing.T) {
		r := debugger(t, "", "cdb", "-z", "image_test.go", "-c", "q")
		if r.Status != 2 || !strings.Contains(r.Err, "neither an ELF nor a PE image") {
			t.Errorf("status %d: %s", r.Status, r.Err)
		}
	})
}
