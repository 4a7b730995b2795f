package windbg_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// This file holds commands over a C++ program with threads, lists and a signal handler
// under a real gdbserver.

const market = "bp depth;g;bc *;gu"

// TestMemoryOfAProcess: regions, copies, searches and lists.
func TestMemoryOfAProcess(t *testing.T) {
	w := open(t, "market.cpp")
	w.run(market)
	w.expect("!address @rsp", "Usage:                  Stack", "/Base Address:           "+address+"/", "/End Address:            "+address+"/", "...", "State:                  00001000          MEM_COMMIT",
		"Protect:                00000004          PAGE_READWRITE", "Type:                   00020000          MEM_PRIVATE", "Mapped file:            [stack]")
	w.expect("!address 10", "Usage:                  Free", "...")
	w.expect("!address -f:Image,PAGE_EXECUTE_READ", "", "/ +BaseAddress +EndAddress\\+1 +RegionSize Type +State +Protect +Usage/", "/-+/", "/. .* MEM_IMAGE +MEM_COMMIT +PAGE_EXECUTE_READ +Image .*market.*/", "...")
	w.expect("!address -o:1 -f:Stack", "/0x7f[0-9a-f]+/")
	w.expect("!address -o:csv -f:Stack", `"BaseAddress","EndAddress+1","RegionSize","Type","State","Protect","Usage"`, `/"0x7f[0-9a-f]+","0x7f[0-9a-f]+","0x[0-9a-f]+","MEM_PRIVATE","MEM_COMMIT","PAGE_READWRITE","Stack \[stack\]"/`)
	w.expect(`!address -f:Stack -c:".echo %5 %7"`, "MEM_COMMIT Stack [stack]")
	w.expect("!address -summary", "", "/--- Usage Summary -+ RgnCount -+ Total Size -+ %ofBusy %ofTotal/", "...", "/Image .*/", "...", "/--- Type Summary .*/", "...", "/--- State Summary .*/", "...", "/--- Largest Region .*/", "...")
	w.expect("!vprot @rsp", "/BaseAddress: +[0-9a-f]{16}/", "/AllocationBase: +[0-9a-f]{16}/", "/RegionSize: +[0-9a-f]{16}/", "State:             00001000  MEM_COMMIT", "Protect:           00000004  PAGE_READWRITE", "Type:              00020000  MEM_PRIVATE")
	w.expect("!vadump", "BaseAddress: 0000000000000000", "...", "State:       00010000  MEM_FREE", "...", "/Protect:     00000020  PAGE_EXECUTE_READ/", "Type:        01000000  MEM_IMAGE", "...")
	w.expect(".holdmem -a market!room L10; .holdmem -c market!room", "No differences")
	w.expect(`eb market!room 41; .holdmem -c market!room L4`, "Held memory and what is there now differ:", "/held "+address+"  6e 65 65 64.*  need/", "/now  "+address+"  41 65 65 64.*  Aeed/")
	w.expect("eb market!room 'n'; .holdmem -D; .holdmem -o", "No memory is held")
	w.expect(`s -a market!room L40 "room"`, "/"+address+"  72 6f 6f 6d 00.*/")
	w.expect("s -[1]q market!words L20 1122334455667788", "/0x"+address+"/", "/0x"+address+"/")
	w.expect("s -[s]q market!words L20 1122334455667788", "...")
	w.expect("s -[r1]d market!words L20 55667788", "/0x"+address+"/", "/0x"+address+"/")
	w.expect("s -[sn1]q market!words L20 1122334455667788", "/"+address+"  11223344`55667788.*/", "/"+address+"  11223344`55667788.*/")
	w.expect("s -[r1]q market!words L20 1122334455667788", "/0x"+address+"/")
	w.expect("s -[w1]b market!room L?100 6e 65 65 64 6c 65 20 69 6e 20 61 20 72", "/0x"+address+"/")
	w.expect(`!list -t Item.next -x ".printf \"%d \", dwo(@$extret)" market!first`, "10 20 30 ")
	w.expect(`!list "-t Entry.link.next -e -x \"dd @$extret L1\" market!e1"`, "dd @$extret L1", "/"+address+"  00000001/", "dd @$extret L1", "/"+address+"  00000002/")
	w.expect("dps market!second L2", "/"+address+"  00000000`00000014/", "/"+address+"  "+address+" market!third/")
	w.expect("dtx Item market!first", "/\\(\\*\\(\\(Item\\*\\)0x[0-9a-f]+\\)\\) +\\[Type: Item\\]/", "    [+0x000] value            : 10 [Type: int]", "...")
	w.expect("!chkimg market", "0 errors : market")
	w.expect("eb market!depth+3 90;!chkimg -d market", "/    "+address+"-"+address+"  1 bytes - market!depth\\+0x3/", "/\t\\[ [0-9a-f]{2}:90 \\]/", "1 errors : market")
}

// TestSymbolsAndTraces: x with its options, and wt.
func TestSymbolsAndTraces(t *testing.T) {
	w := open(t, "market.cpp")
	w.run("bp depth;g;bc *")
	w.expect("x /1 /n market!e?", "market!e1", "market!e2")
	w.expect("x /1 /N market!e?", "market!e2", "market!e1")
	w.expect("x /s 4 /2 market!g_*", "")
	w.expect("x /t /d market!first", "/"+address+" struct Item market!first = struct Item/")
	w.expect("x /p /f market!depth", "/"+address+" market!depth\\(int\\)/")
	w.expect("x /q /1 market!depth", `@!"market!depth"`)
	w.expect("x /v market!first", "/prv global "+address+"   10 market!first = struct Item/")
	w.expect("ln market!depth", "...", "Exact matches:", "/    market!depth \\(int\\)/")
	w.expect("r $ip = @$ip; wt -oR -l 2", "/Tracing market!depth to return address "+address+"/", "...", "/ +market!depth rax = 0000000000000003.*/", "...", "/[0-9]+ instructions were executed in [0-9]+ events \\(0 from other threads\\)/", "...", "0 system calls were executed", "...")
}

// TestAllocation: memory that a command allocates is the debuggee's.
func TestAllocation(t *testing.T) {
	w := open(t, "market.cpp")
	w.run(market)
	w.expect(".dvalloc 10", "/Allocated 1000 bytes starting at "+address+"/")
	w.expect(".foreach /pS 5 (where {.dvalloc 2000}) {eb ${where} 61 62 0; da ${where}; !vprot ${where}; .dvfree ${where} 2000}", "/"+address+"  \"ab\"/", "...", "Protect:           00000004  PAGE_READWRITE", "...", "/Freed 2000 bytes starting at "+address+"/")
}

// TestContexts: registers of other places and times.
func TestContexts(t *testing.T) {
	w := open(t, "market.cpp")
	w.run("bp /c 6 depth;g")
	w.expect("kc", " # Call Site", "00 market!depth", "01 market!main", "...")
	w.expect("bc *;bp /C 7 depth;g;kc 3", "...", " # Call Site", "00 market!depth", "01 market!depth", "02 market!depth")
	w.expect(".bpcmds", "/bp0 /C 0n7 0x"+address+" ;/")
	w.expect(".frame /c 2;kc 2", "...", "  *** Stack trace for last set context - .thread/.cxr resets it", " # Call Site", "00 market!depth", "01 market!depth")
	w.expect(".cxr", "Resetting default scope")
	w.expect("k = @rsp @rip 2", " # Child-SP          RetAddr               Call Site", "/00 .* market!depth.*/", "/01 .* market!depth.*/")
	w.expect("!findstack depth 0", "Thread 000, 4 frame(s) match")
	w.expect(".inline 0;.inline;.inline 1", "Inline frames are not shown")
	w.expect("bc *;sxi av;g", "...")
	if p := w.i.Prompt(w.ctx); p != "NoTarget> " {
		t.Errorf("the prompt is %q", p)
	}
}

// TestSignalRecords: what a signal handler was given is shown as the event itself.
func TestSignalRecords(t *testing.T) {
	w := open(t, "market.cpp")
	w.run("g;bp libc_so!_exit;gn")
	w.expect(".exr market!told", "ExceptionAddress: 0000000000000010", "   ExceptionCode: 0000000b (Signal SIGSEGV)", "  ExceptionFlags: 00000001", "NumberParameters: 1", "   Parameter[0]: 0000000000000010")
	w.expect(".cxr market!where", "...", "/market!main\\+0x[0-9a-f]+ .*/", "/>   59: .*volatile.*/", "...")
	w.expect("kc 1", "  *** Stack trace for last set context - .thread/.cxr resets it", " # Call Site", "00 market!main")
	w.expect("dv total", "           total = 0n52")
	w.expect("r", "Last set context:", "...")
	w.expect(".cxr;kc 1", "Resetting default scope", " # Call Site", "/00 libc_so!_exit/")
	w.expect("!error 2", "Error code: (errno) 0x2 (2) - ENOENT: No such file or directory")
	w.expect("!error 0n11 1", "/Error code: \\(signal\\) 0xb \\(11\\) - SIGSEGV.*/")
}

// TestProcess: what the system knows of it.
func TestProcess(t *testing.T) {
	w := open(t, "market.cpp")
	w.run(market)
	w.expect("!gle", "LastErrorValue: (errno) 0x2 (2) - ENOENT: No such file or directory")
	w.expect("!teb", "/TEB at "+address+"/", "...", "/    StackBase: +"+address+"/", "...", "/    ClientId: +[0-9a-f]+ . [0-9a-f]+/", "    LastErrorValue:      2")
	w.expect("!peb", "/PEB at "+address+"/", "...", "/    CommandLine: +'.*market'/", "...", "/        PATH=.*/", "...", "/        AT_ENTRY +"+address+"/", "...")
	w.expect("!runaway 7", " User Mode Time", "  Thread       Time", "/ +[01]:[0-9a-f]+ +0 days 0:00:0.*/", "...", " Kernel Mode Time", "...", " Elapsed Time", "...")
	w.expect(".ttime", "/Created: .*/", "/Kernel:  0 days .*/", "/User:    0 days .*/")
	w.expect(".time", "/Debug session time: .*/", "/System Uptime: .*/", "/Process Uptime: 0 days .*/", "/  Kernel time: .*/", "/  User time: .*/")
	w.expect("~*", "...", "/      Start: market!start \\("+address+"\\)/", "/      Priority: .*/", "...")
	w.expect("!handle 1", "Handle 1", "/  Type +\t[A-Z][a-z]+/", "/  Name +\t.+/")
	w.expect("~1n;~1n;~1f;~1", "/.  1  Id: .* Suspend: 3 .* Frozen .*/", "...")
	w.expect("~1m;~1m;~1u;~", "...", "/.  1  Id: .* Suspend: 1 .* Unfrozen .*/")
	w.expect("!dlls -c @$ip", "/"+address+": .*/market/", "...")
	w.expect("!for_each_thread \".printf \\\"@#ThreadIndex \\\"\"", "0 1 ")
	w.expect("!for_each_module \".echo @#ModuleName\"", "market", "...", "libc_so", "...")
	w.expect("!for_each_local", "/ +p = .*/", "...")
	w.expect(".effmach", "Effective machine: x64 (AMD64)")
	w.expect(".step_filter \"geo::*\";.step_filter;.step_filter /c", "Filter step-into: geo::*", "Filter step-into: geo::*", "No step filters")
}

// TestDebugInformation: entries and unwind rules by name.
func TestDebugInformation(t *testing.T) {
	w := open(t, "market.cpp")
	w.run(market)
	w.expect("!diesym market!depth", "/0x[0-9a-f]+: DW_TAG_subprogram \\[\\^\\^\\^\\]/", "...", "    DW_AT_name              'depth'", "...", "/    DW_AT_low_pc            0x1[0-9a-f]+/", "...", "    DW_AT_frame_base        DW_OP_call_frame_cfa", "...")
	w.expect("!dielocal total", "/0x[0-9a-f]+: DW_TAG_variable \\[\\^\\^\\^\\]/", "    DW_AT_name              'total'", "...")
	w.expect("!dwunwind market!depth", "/Unwind data of market!depth: "+address+" - "+address+"/", "    CFA = rsp+8", "...")
	w.expect("!addsourcemap market /nowhere/* /tmp/*;!sourcemaps market", "Source map /nowhere/* -> /tmp/* successfully added", "Source maps for market:", "    /nowhere/* -> /tmp/*")
	w.expect("!removesourcemaps market /nowhere/*;!sourcemaps", "1 source maps successfully removed", "No source maps")
	w.expect("lsp 1 2;p", "At the prompt, display 1 lines before and 2 after", "/market!main.*/", "...", "/>   5[0-9]: .*/", "...")
	w.expect(".prompt_allow -src -ea;p;.prompt_allow +src +ea", "...")
}

// TestCompletion: members, namespaces, options and files of a real program.
func TestCompletion(t *testing.T) {
	w := open(t, "market.cpp")
	w.run(market)
	dir := t.TempDir()
	for _, f := range []string{"one.txt", "one.nat"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.run("as shop market")
	for _, test := range []struct{ line, want string }{
		{"dx ps->", "x y sum count"}, {"dx p.s", "sum"}, {"?? ps->x + ps->", "y"}, {"ps->", "x"}, {"dx geo::", "Point scale"}, {"?? geo::sc", "scale"},
		{"bp market!geo::sc", "scale"}, {"dx market!geo::Point::co", "count"}, {"bm /", "/a /d"}, {"dx -", "-r"}, {"lm m mark", "market"}, {"r ra", "rax"},
		{"? @rb", "@rbp @rbx"}, {"dx @$cur", "@$curprocess"}, {"sxe a", "av"}, {".logopen " + dir + "/on", dir + "/one.txt " + dir + "/one.nat"},
		{"$$><" + dir + "/one.t", dir + "/one.txt"}, {".echo ${sh", "shop}"}, {"ad s", "shop"}, {"u dep", "depth"}, {"g; db ro", "room"}, {".if (1) {.ec", ".echo"},
		{".help .asse", ".assert"}, {"dx tot", "total"},
	} {
		var got []string
		for _, c := range w.i.Complete(w.ctx, test.line) {
			got = append(got, c.Text)
		}
		for _, want := range strings.Fields(test.want) {
			if !contains(got, want) {
				t.Errorf("%q: no %q in %q", test.line, want, got)
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// TestStates: what the interpreter keeps of itself.
func TestStates(t *testing.T) {
	w := open(t, "market.cpp")
	w.expect("r $t0=5; .push; r $t0=6; n 8; .pop; n; ? @$t0", "Debugger state pushed, new depth 1", "base is 8", "Debugger state popped, new depth 0", "base is 16", "Evaluate expression: 5 = 00000000`00000005")
	w.expect("r $t0=@$t0+1; z (@$t0<8)", "redo [1] r $t0=@$t0+1; z (@$t0<8)", "redo [2] r $t0=@$t0+1; z (@$t0<8)")
	w.expect(".pcmd -s \".echo there\";.pcmd -c", "Per-prompt command is '.echo there'", "No per-prompt command")
	w.expect("aS /ma text market!room", "")
	w.expect(".echo ${text}", "needle in a room")
	w.expect(".extmatch die*", "!diesym", "!die", "!dietree", "!dieancestry", "!dielocal")
	w.expect(".createdir /tmp", "Process creation directory: /tmp")
	if err := w.i.Exec(w.ctx, ".shell echo x", w); err == nil || !strings.Contains(w.take(), ".shell is not allowed here") {
		t.Error(".shell without leave:", err)
	}
	if err := w.i.Exec(w.ctx, ".secure 1; .kill", w); err == nil || !strings.Contains(w.take(), ".kill is not allowed in secure mode") {
		t.Error(".kill in secure mode:", err)
	}
}
