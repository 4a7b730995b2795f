package natvis_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"dap-windbg/arch"
	"dap-windbg/eval"
)

// modelled is a process whose expressions know the data model.
type modelled struct {
	*process
	m *eval.Model
}

func (e modelled) Model() *eval.Model { return e.m }

// writing writes to the process.
type writing struct {
	modelled
	mem *os.File
}

func (e writing) WriteMemory(_ context.Context, a arch.Addr, b []byte) error {
	_, err := e.mem.WriteAt(b, int64(a))
	return err
}

// testAssignments: what the operators yield can be assigned to.
func testAssignments(t *testing.T, p *process, m *eval.Model) {
	mem, err := os.OpenFile(p.mem.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	env := writing{modelled{p, m}, mem}
	for _, tt := range []struct{ src, want, read string }{
		{"spare[1] = 5", "5", "spare[1]"},
		{"spare[0] += spare[1]", "6", "spare[0]"},
		{"theirs->b = 8", "8", "(*theirs).b"},
		{"kind = B", "B (1)", "kind"},
		{"kind = Kind::A", "A (0)", "kind"},
	} {
		if got := evaluate(env, m, tt.src); got != tt.want {
			t.Errorf("%s is %q, want %q", tt.src, got, tt.want)
		}
		if got := evaluate(env, m, tt.read); got != tt.want {
			t.Errorf("after %s %s is %q", tt.src, tt.read, got)
		}
	}
	kind, err := p.Lookup(context.Background(), "kind")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eval.Assign(context.Background(), env, kind, "B"); err != nil {
		t.Error(err)
	}
	if got := evaluate(env, m, "kind == Kind::B"); got != "true" {
		t.Error(got)
	}
}

// anywhere is a process of garbage: each name is at the address of its seed.
type anywhere struct {
	*garbage
	m *eval.Model
}

func (e anywhere) Model() *eval.Model { return e.m }

func (e anywhere) Lookup(ctx context.Context, name string) (eval.Value, error) {
	v, err := e.process.Lookup(ctx, name)
	v.Addr = 0x10000 + arch.Addr(hash(e.seed)%4096*8)
	return v, err
}

// testGarbageOverloads: whatever memory holds, an operator ends after a bounded
// number of reads.
func testGarbageOverloads(t *testing.T, p *process, m *eval.Model) {
	for seed := range uint64(12) {
		for _, src := range strings.Fields(`ints[0] strs[1][2] deq[3] nested[1][1] lst[5] byname["one"] bynum[2].x hashed[4] hashedstr["key"] *uniq *shared handle->y *some bits[9] notuple[0]`) {
			env := anywhere{&garbage{process: p, seed: seed}, m}
			got := evaluate(env, m, src)
			if env.reads > 200_000 {
				t.Errorf("%s, seed %d: %d reads, %s", src, seed, env.reads, got)
			}
		}
	}
}

func evaluate(env eval.Env, m *eval.Model, src string) string {
	e, err := eval.Parse(src, eval.Options{})
	if err != nil {
		return err.Error()
	}
	v, err := e.Eval(context.Background(), env)
	if err != nil {
		return err.Error()
	}
	text, err := m.Text(context.Background(), env, v, eval.Format{})
	if err != nil {
		return err.Error()
	}
	return text
}

// testOverloads: the operators [], * and -> of the library's classes.
func testOverloads(t *testing.T, p *process, m *eval.Model, tables ...map[string]string) {
	env := modelled{p, m}
	for _, table := range append(tables, yields) {
		for src, want := range table {
			if got := evaluate(env, m, src); got != want {
				t.Errorf("%s is %q, want %q", src, got, want)
			}
		}
	}
	for src, want := range refusals {
		if got := evaluate(env, m, src); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", src, got, want)
		}
	}
	if got := evaluate(p, m, "ints[2]"); !strings.HasSuffix(got, "is not a number or pointer") {
		t.Errorf("without a data model: %s", got)
	}
}

// yields are values of expressions over both libraries' containers.
var yields = map[string]string{
	"ints[2]":                            "30",
	"nested[1][0]":                       "2",
	"5*2 + ints[1]":                      "30",
	"points[1].y":                        "4",
	"&ints[1] - &ints[0]":                "1",
	"strs[1][0]":                         "116 't'",
	"many[999999]":                       "7",
	"deq[0] + deq[295]":                  "298",
	"greeting[1]":                        "105 'i'",
	"shortstr[4]":                        "116 't'",
	"view[0]":                            "118 'v'",
	"spn[1]":                             "20",
	"bits[2] + bits[1]":                  "1",
	"bset[1]":                            "true",
	"mine[0]":                            "1",
	"ref[0]":                             "115 's'",
	"ints[points[0].x]":                  "20",
	`byname["three"]`:                    "3",
	"bynum[2].y":                         "-2",
	`hashed[42][0]`:                      "97 'a'",
	`hashedstr["key"] + 1`:               "2",
	"map500[30]":                         "900",
	"*uniq":                              "11",
	"*shared + *some":                    "17",
	"heap[2] + *heap":                    "4",
	"handle->y":                          "6",
	"(*handle).x":                        "5",
	"poly->b":                            "1",
	"(*some)":                            "5",
	`shortstr == "short"`:                "true",
	`shortstr != "short"`:                "false",
	`"shore" < shortstr`:                 "true",
	`shortstr < longstr`:                 "false",
	`ref == shortstr`:                    "true",
	`wide == L"wide"`:                    "true",
	`view == "view"`:                     "true",
	`strs[0] == "one"`:                   "true",
	`nostr == ""`:                        "true",
	`uniq == 0`:                          "false",
	`nouniq == nullptr`:                  "true",
	`shared == shared2`:                  "true",
	`noshared != shared`:                 "true",
	`shared != nullptr && *shared == 12`: "true",
}

// inLibstdcxx are values of expressions over its iterators.
var inLibstdcxx = map[string]string{"*inints": "20", "inints[1]": "30", "*inset": "1"}

// refusals are parts of messages.
var refusals = map[string]string{
	"ints[3]":        "there is no element [3] among the 3 of ",
	"ints[-1]":       "there is no element [-1] among the 3 of ",
	"noints[0]":      "has no elements",
	`ints["a"]`:      "is not an index",
	"ints[1.5]":      "is not an index",
	`byname["four"]`: `there is no element ["four"] among the 3 of `,
	"couple[0]":      "has no elements",
	"*nouniq":        "is empty",
	"*none":          "is empty",
	"noshared->x":    "is empty",
	"corner[0]":      "is not a number or pointer",
	"*corner":        "is not a number or pointer",
	"wild[5]":        "Unable to read memory at Address 0x1014",
}
