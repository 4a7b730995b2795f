package corpus

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dap-windbg/symbols"
	ours "dap-windbg/symbols/elf"
)

// layouts are the builds whose types gdb lays out too.
var layouts = map[string]bool{ // true: only when all is compared
	"gcc -g -O0" + plain: false, "gcc -g -O2 -gdwarf-2 -gstrict-dwarf" + plain: false, "clang -g -O2" + plain: false,
	"g++ -g -O2 -gdwarf-4 -fdebug-types-section" + zoo: false, "gcc -g -O2 -m32 -I/usr/include/x86_64-linux-gnu" + plain: true,
	"clang -g -O0 -gdwarf-2" + plain: true, "g++ -g -O0" + zoo: true, "clang++ -g -O0 -gdwarf-4" + zoo: true,
	"clang++ -g -O0 -stdlib=libc++" + zoo: true,
}

// gdbLayouts prints the size of each type named in a file, and its fields with
// their first bit, bits and whether they are bases.
const gdbLayouts = `
import gdb
def show(name):
    for tag in ('struct ', 'union ', ''):
        try:
            t = gdb.lookup_type(tag + name).strip_typedefs()
            break
        except gdb.error:
            t = None
    if t is None or t.code not in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ENUM):
        return
    out = [name, str(t.sizeof)]
    for f in t.fields():
        if hasattr(f, 'bitpos'):
            out.append('%s %d %d %d' % ('' if f.is_base_class else f.name or '', f.bitpos, f.bitsize, f.is_base_class))
        elif hasattr(f, 'enumval'):
            out.append('%s = %d' % (f.name.split('::')[-1], f.enumval))
    print('@' + '|'.join(out))

for name in open('NAMES').read().split('\n'):
    try:
        show(name)
    except Exception as e:
        print('!', name, e)
`

// TestLayouts compares sizes, places of members, bit fields and enumerators with
// gdb's.
func TestLayouts(t *testing.T) {
	for command, all := range layouts {
		if all && !heavy {
			continue
		}
		t.Run(command, func(t *testing.T) {
			path := compile(t, command)
			img := open(t, path, ours.Options{})
			var names []string
			for n := range img.Types("*") {
				names = append(names, n)
			}
			dir := t.TempDir()
			list, script := filepath.Join(dir, "names"), filepath.Join(dir, "layouts.py")
			for file, text := range map[string]string{list: strings.Join(names, "\n"), script: strings.ReplaceAll(gdbLayouts, "NAMES", list)} {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.Command("gdb", "-batch", "-nx", "-x", script, path).Output()
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for line := range strings.Lines(string(out)) {
				if rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "@"); ok {
					n += compareWithGDB(t, img, strings.Split(rest, "|"))
				}
			}
			compared.Add(int64(n))
			t.Logf("%d members and enumerators of %d types", n, len(names))
			if n < 20 {
				t.Error("hardly anything was compared")
			}
		})
	}
}

func compareWithGDB(t *testing.T, img *ours.Image, f []string) int {
	ty, ok := img.Type(f[0])
	if !ok {
		t.Errorf("%s is not found", f[0])
		return 0
	}
	ty = ty.Strip()
	if ty == nil || !ty.IsComposite() && ty.Kind != symbols.Enum || ty.Declaration {
		return 0
	}
	have := []string{f[0], fmt.Sprint(ty.Size)}
	for _, m := range ty.Members().Fields {
		if m.Static || m.Virtual {
			continue
		}
		name, base := m.Name, 0
		if m.Base {
			name = "" // gdb spells it otherwise
			base = 1
		}
		have = append(have, fmt.Sprintf("%s %d %d %d", name, m.Offset*8+int64(m.BitOffset), m.BitSize, base))
	}
	for _, e := range ty.Members().Enumerators {
		have = append(have, fmt.Sprintf("%s = %d", e.Name, e.Value))
	}
	if a, b := strings.Join(have, "|"), strings.Join(f, "|"); a != b && f[0] != "local" { // there are two of that name
		t.Errorf("ours %s\n gdb %s", a, b)
	}
	return len(have) - 1
}
