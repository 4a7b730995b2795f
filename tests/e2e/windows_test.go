package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/targets/targettest"
)

// windowsProgram builds a freestanding program of tests/programs with its program database.
func windowsProgram(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	at := func(suffix string) string {
		return filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name))+suffix)
	}
	for _, args := range [][]string{
		{"llvm-dlltool-19", "-m", "i386:x86-64", "-d", source(t, "kernel32.def"), "-l", filepath.Join(dir, "kernel32.lib")},
		{"clang-19", "--target=x86_64-pc-windows-msvc", "-g", "-gcodeview", "-O0", "-fstandalone-debug", "-nostdlib", "-fno-rtti", "-fasynchronous-unwind-tables", "-c", source(t, name), "-o", at(".obj")},
		{"lld-link-19", "/nologo", "/nodefaultlib", "/entry:start", "/subsystem:console", "/debug", "/machine:x64", "/pdb:" + at(".pdb"),
			"/pdbaltpath:" + filepath.Base(at(".pdb")), "/out:" + at(".exe"), at(".obj"), filepath.Join(dir, "kernel32.lib")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v (packages clang-19, lld-19, llvm-19): %v\n%s", args, err, out)
		}
	}
	return at(".exe")
}

// TestWindowsProcess: a Windows process behind Wine's debug server: modules with
// program databases, a breakpoint by name and one by line, the stack by .pdata through
// the system's libraries, variables, types, steps and the end.
func TestWindowsProcess(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		return
	}
	const session = "bp inner\ng\nlm m windows\nk\np\ndv\n.frame 1\ndv /V\ndx *p\ndx windows!g_shape\ndt windows!shape\nx windows!g_*\nln inner+4\nbc *\n" +
		"bp `windows.c:23`\ng\n?? v\ngu\nbc *\ng\nq\n"
	r := debugger(t, session, "cdb", "-remote", "gdb:server=127.0.0.1,port="+targettest.Wine.Serve(t, windowsProgram(t, "windows.c")))
	r.Must(t, 1,
		`^Breakpoint 0 hit\nwindows!inner.*windows\.c @ 1[56]\]`,
		`windows +T? *\(private pdb symbols\) +.*windows\.`,
		`^00 .*windows!inner.*windows\.c @ 1[56]\]`,
		`^01 .*windows!middle\+0x[0-9a-f]+ \[.*windows\.c @ 23\]`,
		`^02 .*windows!start\+0x[0-9a-f]+ \[.*windows\.c @ 30\]`,
		`^03 .*kernel32!BaseThreadInitThunk`,
		`^04 .*ntdll!RtlUserThreadStart`,
		`windows\.c @ 1[67]\]`,
		`^ +v = 0n4$`,
		`local = 0n4`,
		`x +: 7 \[Type: int\]`, `name +: 0x[0-9a-f]+ : "p"`,
		`color +: GREEN \(2\) \[Type: color\]`, `flag_a +: 0x5`, `flag_b +: 0x11`,
		`\+0x000 color`, `\+0x004 flag_a +: Pos 0, 3 Bits`, `\+0x004 flag_b +: Pos 3, 5 Bits`, `\+0x008 corner +: \[2\] point`,
		`windows!g_counter = 0n`,
		`windows!inner`,
		`^Breakpoint 0 hit\nwindows!middle.*windows\.c @ 23\]`,
		`^int 0n1`,
		`The debuggee exited with status`)
}

// TestWindowsObjects: objects by pointers to their bases are shown as what they are.
func TestWindowsObjects(t *testing.T) {
	if os.Getenv("HEAVY") == "" {
		return
	}
	const session = "bp look\ng\np\ndx s\ndx n\ndx *s\ndx -r2 square\nx derived!zoo::*\n.kill\nq\n"
	r := debugger(t, session, "cdb", "-remote", "gdb:server=127.0.0.1,port="+targettest.Wine.Serve(t, windowsProgram(t, "derived.cpp")))
	r.Must(t, 0, `^Breakpoint 0 hit\nderived!look`,
		`^s +: 0x[0-9a-f]+ \[Type: zoo::Square \* \(derived from zoo::Shape \*\)\]`, `edge +: 5 `,
		`^n +: 0x[0-9a-f]+ \[Type: zoo::Square \* \(derived from zoo::Named \*\)\]`, `edge +: 5 `,
		`^square +\[Type: zoo::Square\]`, `tag +: 1 `, `id +: 77 \[Type: __int64\]`)
}

// TestWindowsImage: an image file and its program database, without a debuggee.
func TestWindowsImage(t *testing.T) {
	const session = "x windows!g_*\nbp windows!middle\nbp `windows.c:16`\nbl\ndt windows!shape\ndx windows!g_shape.corner\nln windows!inner+6\n.fnent windows!middle\nu windows!inner l3\nlm\nq\n"
	r := debugger(t, session, "cdb", "-z", windowsProgram(t, "windows.c"))
	r.Must(t, 0,
		`windows!g_counter = 0n0`, `windows!g_origin`, `windows!g_shape`,
		`windows\.c @ 20\].*windows!middle`, `windows\.c @ 16\].*windows!inner\+0x`,
		`\+0x000 color +: color`, `\+0x004 flag_b +: Pos 3, 5 Bits`,
		`\[0\] +\[Type: point\]`,
		`windows!inner\+0x6`,
		`0x04: ALLOC_SMALL size=\d+`,
		`^windows!inner \[.*windows\.c @ 15\]`,
		`windows +T? *\(private pdb symbols\)`)
}
