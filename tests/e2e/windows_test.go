package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dap-windbg/targets/targettest"
)

// windowsProgram builds tests/programs/windows.c with its program database.
func windowsProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{
		{"llvm-dlltool-19", "-m", "i386:x86-64", "-d", source(t, "kernel32.def"), "-l", at("kernel32.lib")},
		{"clang-19", "--target=x86_64-pc-windows-msvc", "-g", "-gcodeview", "-O0", "-nostdlib", "-fasynchronous-unwind-tables", "-c", source(t, "windows.c"), "-o", at("windows.obj")},
		{"lld-link-19", "/nologo", "/nodefaultlib", "/entry:start", "/subsystem:console", "/debug", "/machine:x64", "/pdb:" + at("windows.pdb"),
			"/pdbaltpath:windows.pdb", "/out:" + at("windows.exe"), at("windows.obj"), at("kernel32.lib")},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v (packages clang-19, lld-19, llvm-19): %v\n%s", args, err, out)
		}
	}
	return at("windows.exe")
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
	r := debugger(t, session, "cdb", "-remote", "gdb:server=127.0.0.1,port="+targettest.Wine.Serve(t, windowsProgram(t)))
	r.must(t, 1,
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
