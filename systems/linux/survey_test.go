package linux

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const someMaps = "555555554000-555555555000 r--p 00000000 08:01 1 /bin/x y\n555555555000-555555556000 r-xp 00001000 08:01 1 /bin/x y\n" +
	"bad line\n7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\nz-1 r--p 0 0 0\n"

func TestMaps(t *testing.T) {
	all, err := parseMaps(strings.NewReader(someMaps))
	if err != nil || len(all) != 3 || all[1].Base != 0x555555554000 || all[1].Path != "/bin/x y" || all[2].Base != all[2].Start {
		t.Fatalf("%+v %v", all, err)
	}
	cut := errors.New("cut")
	if _, err := parseMaps(io.MultiReader(strings.NewReader(someMaps), iotest.ErrReader(cut))); !errors.Is(err, cut) {
		t.Errorf("a map that is cut: %v", err)
	}
}

func FuzzMaps(f *testing.F) {
	f.Add(someMaps)
	f.Fuzz(func(t *testing.T, text string) {
		all, _ := parseMaps(strings.NewReader(text))
		for _, g := range all {
			if g.End < g.Start || g.Base > g.Start && g.Path == "" {
				t.Fatalf("%+v", g)
			}
		}
	})
}

const someFiles = `<osdata type="files"><item><column name="pid">7</column><column name="command">x</column><column name="file descriptor">3</column><column name="name">/dev/null</column></item>
<item><column name="pid">8</column><column name="file descriptor">1</column><column name="name">pipe:[1]</column></item>
<item><column name="pid">7</column><column name="file descriptor">0</column><column name="name">pipe:[2]</column></item></osdata>`

func TestOpenFiles(t *testing.T) {
	all, err := parseFiles([]byte(someFiles), 7)
	if err != nil || len(all) != 2 || all[0].Number != 0 || all[0].Name != "pipe:[2]" || all[1].Name != "/dev/null" {
		t.Errorf("%+v %v", all, err)
	}
}

func FuzzOpenFiles(f *testing.F) {
	f.Add([]byte(someFiles), int64(7))
	f.Fuzz(func(_ *testing.T, data []byte, pid int64) { parseFiles(data, pid) })
}
