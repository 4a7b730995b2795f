package pdb

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dap-windbg/symbols"
)

// typeRecord is a record of the dump and the lines below it.
type typeRecord struct {
	leaf, name string
	lines      []string
}

var (
	reType   = regexp.MustCompile("^ +(0x[0-9A-F]+) \\| (LF_\\w+) \\[size = \\d+(?:, hash = \\w+)?\\](?: `(.*)`)?")
	reMember = regexp.MustCompile("- LF_MEMBER \\[name = `(.*)`, Type = (0x[0-9A-F]+).*, offset = (\\d+), attrs")
	reStatic = regexp.MustCompile("- LF_STMEMBER \\[name = `(.*)`, type")
	reEnum   = regexp.MustCompile(`- LF_ENUMERATE \[(.*) = (-?\d+)\]`)
	reMethod = regexp.MustCompile("- LF_(?:ONE)?METHOD \\[name = `(.*?)`(?:, # overloads = (\\d+))?")
	reBase   = regexp.MustCompile(`type = (0x[0-9A-F]+), offset = (\d+), attrs`)
	reIndex  = regexp.MustCompile(`0x[0-9A-F]+`)
	reBits   = regexp.MustCompile(`type = (0x[0-9A-F]+).*, bit offset = (\d+), # bits = (\d+)`)
	reSize   = regexp.MustCompile(`sizeof (\d+)`)
)

func typeRecords(t *testing.T, p program) map[string]*typeRecord {
	t.Helper()
	all := map[string]*typeRecord{}
	var last *typeRecord
	for _, l := range output(t, "", "llvm-pdbutil-19", "dump", "--types", p.pdb) {
		if m := reType.FindStringSubmatch(l); m != nil {
			last = &typeRecord{leaf: m[2], name: m[3]}
			all[m[1]] = last
		} else if last != nil {
			last.lines = append(last.lines, l)
		}
	}
	return all
}

// sizes of the types without records, as CodeView numbers them.
var simpleSizes = map[uint64]int64{0x10: 1, 0x11: 2, 0x12: 4, 0x13: 8, 0x20: 1, 0x21: 2, 0x22: 4, 0x23: 8, 0x30: 1, 0x40: 4, 0x41: 8, 0x68: 1, 0x69: 1, 0x70: 1, 0x71: 2, 0x72: 2, 0x73: 2, 0x74: 4, 0x75: 4, 0x76: 8, 0x77: 8}

// size is what the dump says of a type's size.
func size(all map[string]*typeRecord, index string) int64 {
	r := all[index]
	if r == nil {
		n, _ := strconv.ParseUint(index, 0, 32)
		switch n >> 8 {
		case 4:
			return 4
		case 6:
			return 8
		}
		return simpleSizes[n]
	}
	text := strings.Join(r.lines, "\n")
	switch r.leaf {
	case "LF_MODIFIER", "LF_BITFIELD":
		return size(all, reIndex.FindString(text))
	case "LF_POINTER":
		switch {
		case strings.Contains(text, "member"):
			return -1 // depends on the class
		case strings.Contains(text, "ptr32"):
			return 4
		}
		return 8
	case "LF_ARRAY":
		_, rest, _ := strings.Cut(text, "size: ")
		n, _ := strconv.ParseInt(rest[:strings.IndexByte(rest, ',')], 10, 64)
		return n
	case "LF_ENUM":
		_, rest, _ := strings.Cut(text, "underlying type: ")
		return size(all, reIndex.FindString(rest))
	}
	if _, rest, ok := strings.Cut(text, "forward ref (-> "); ok {
		return size(all, reIndex.FindString(rest))
	}
	if m := reSize.FindStringSubmatch(text); m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		return n
	}
	return -1
}

// wantedMembers is what the dump has below a type's list of members.
func wantedMembers(all map[string]*typeRecord, r *typeRecord) (out []string) {
	_, list, _ := strings.Cut(strings.Join(r.lines, "\n"), "field list: ")
	fields := all[reIndex.FindString(list)]
	if fields == nil {
		return nil
	}
	for i, l := range fields.lines {
		switch m := reMember.FindStringSubmatch(l); {
		case m != nil:
			bits := ""
			if b := all[m[2]]; b != nil && b.leaf == "LF_BITFIELD" {
				x := reBits.FindStringSubmatch(strings.Join(b.lines, "\n"))
				bits = fmt.Sprintf(" bits %s from %s", x[3], x[2])
			}
			out = append(out, fmt.Sprintf("%s at %s size %d%s", m[1], m[3], size(all, m[2]), bits))
		case strings.Contains(l, "- LF_BCLASS"):
			b := reBase.FindStringSubmatch(fields.lines[i+1])
			out = append(out, fmt.Sprintf("base %s at %s", all[b[1]].name, b[2]))
		case strings.Contains(l, "- LF_VBCLASS"):
			out = append(out, "virtual base "+all[reIndex.FindString(fields.lines[i+1])].name)
		case strings.Contains(l, "- LF_VFUNCTAB"):
			out = append(out, "table")
		}
		if m := reStatic.FindStringSubmatch(l); m != nil {
			out = append(out, "static "+m[1])
		}
		if m := reEnum.FindStringSubmatch(l); m != nil {
			out = append(out, m[1]+" = "+m[2])
		}
		if m := reMethod.FindStringSubmatch(l); m != nil {
			n, _ := strconv.Atoi(m[2])
			for range max(n, 1) {
				out = append(out, "method "+m[1])
			}
		}
	}
	return out
}

func ourMembers(ty *symbols.Type) (out []string) {
	m := ty.Members()
	for _, f := range m.Fields {
		switch {
		case f.Virtual:
			out = append(out, "virtual base "+f.Type.Name)
		case f.Base:
			out = append(out, fmt.Sprintf("base %s at %d", f.Type.Name, f.Offset))
		case f.Static:
			out = append(out, "static "+f.Name)
		case f.Artificial:
			out = append(out, "table")
		default:
			n := f.Type.ByteSize()
			if f.Type.Strip().Kind == symbols.MemberPointer {
				n = -1
			}
			bits := ""
			if f.BitSize > 0 {
				bits = fmt.Sprintf(" bits %d from %d", f.BitSize, f.BitOffset)
			}
			out = append(out, fmt.Sprintf("%s at %d size %d%s", f.Name, f.Offset, n, bits))
		}
	}
	for _, e := range m.Enumerators {
		out = append(out, fmt.Sprintf("%s = %d", e.Name, e.Value))
	}
	for _, x := range m.AllMethods() {
		out = append(out, "method "+x.Name)
	}
	return out
}

// TestTypes: every definition with a name is found by it, with the dump's size and members.
func TestTypes(t *testing.T) {
	each(t, func(t *testing.T, p program) {
		all := typeRecords(t, p)
		types, members := 0, 0
		for _, r := range all {
			text := strings.Join(r.lines, "\n")
			if !slices.Contains([]string{"LF_STRUCTURE", "LF_CLASS", "LF_UNION", "LF_ENUM"}, r.leaf) || strings.Contains(text, "forward ref") || strings.Contains(r.name, "<unnamed-") {
				continue
			}
			ty, ok := p.image.Type(r.name)
			if !ok {
				t.Errorf("%s is not found", r.name)
				continue
			}
			types++
			if m := reSize.FindStringSubmatch(text); m != nil && m[1] != strconv.FormatInt(ty.Size, 10) {
				t.Errorf("%s: size %d, the dump says %s", r.name, ty.Size, m[1])
			}
			want, got := wantedMembers(all, r), ourMembers(ty)
			slices.Sort(want)
			slices.Sort(got)
			if members += len(want); !slices.Equal(want, got) {
				t.Errorf("%s: %q, the dump says %q", r.name, got, want)
			}
			if !slices.Contains(slices.Collect(p.image.Types(r.name)), r.name) {
				t.Errorf("%s is not listed", r.name)
			}
		}
		if t.Logf("%d types, %d members", types, members); types < 5 || members < 15 {
			t.Error("too few")
		}
	})
}
