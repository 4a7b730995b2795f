package eval

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// modelEnv is a fakeEnv with a process of three threads in the data model.
func modelEnv() *fakeEnv {
	env := newFake().clone()
	var threads []Element
	for i, name := range []string{"main", "worker", "logger"} {
		id := Count(env, uint64(0x2d5+4*i))
		threads = append(threads, Element{id, ItemOf(&Item{Class: "thread", Text: name, Props: []Prop{
			Known("Id", id), Known("Name", Text(name)), Known("Cpu", Count(env, uint64(i%2))),
			Known("Frames", ItemOf(&Item{Class: "list", List: ListOf([]Element{{Value: Text("f")}, {Value: Text(name)}})})),
			Known("Bad", Value{Err: errors.New("it cannot be known")}),
		}})})
	}
	env.pseudo["process"] = ItemOf(&Item{Class: "process", Text: "orders", Props: []Prop{
		Known("Name", Text("orders")), Known("Threads", ItemOf(&Item{Class: "list", List: ListOf(threads)})),
	}})
	return env
}

// query evaluates src and writes the result as dx does.
func query(t *testing.T, env *fakeEnv, src string, depth int) string {
	t.Helper()
	e, err := Parse(src, Options{})
	if err != nil {
		return "syntax: " + err.Error()
	}
	v, err := e.Eval(context.Background(), env)
	if err != nil {
		return "error: " + err.Error()
	}
	o, err := (&Model{}).Object(context.Background(), env, "", "q", v, Format{})
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	line(t, env, &b, o, depth)
	return b.String()
}

func line(t *testing.T, env *fakeEnv, b *strings.Builder, o *Object, depth int) {
	b.WriteString(o.Name)
	if o.Text != "" {
		b.WriteString("=" + o.Text)
	}
	if o.Type != "" {
		b.WriteString(":" + o.Type)
	}
	if o.Err != nil {
		b.WriteString("!" + o.Err.Error())
	}
	if depth == 0 || o.Leaf() {
		return
	}
	kids, err := o.Children(context.Background(), env, 0, -1)
	b.WriteString("{")
	for i, k := range kids {
		if i > 0 {
			b.WriteString(" ")
		}
		line(t, env, b, k, depth-1)
	}
	if err != nil {
		b.WriteString("!" + err.Error())
	}
	b.WriteString("}")
}

func TestQueries(t *testing.T) {
	tests := []struct {
		src   string
		depth int
		want  string
	}{
		{"@$process", 0, "=orders"},
		{"@$process.Name", 0, "=orders"},
		{"@$process.Threads.Count()", 0, "=0x3"},
		{"@$process.Threads", 1, "{[0x2d5]=main [0x2d9]=worker [0x2dd]=logger}"},
		{"@$process.Threads[0x2d9].Name", 0, "=worker"},
		{"@$process.Threads[1]", 0, "error: a list has no element [1]"},
		{"@$process.Threads.Where(t => t.Cpu == 0)", 1, "{[0x2d5]=main [0x2dd]=logger}"},
		{"@$process.Threads.Select(t => new {Id = t.Id, Top = t.Frames[1]}).Take(1)", 2, "{[0x2d5]{Id=0x2d5 Top=main}}"},
		{"@$process.Threads.Select(t => new {t.Id, t.Bad}).First()", 1, "{Id=0x2d5 Bad!it cannot be known}"},
		{"@$process.Threads.Skip(1).Select(t => t.Id)", 1, "{[0x2d9]=0x2d9 [0x2dd]=0x2dd}"},
		{"@$process.Threads.OrderBy(t => t.Name).Select(t => t.Name)", 1, "{[0x2dd]=logger [0x2d5]=main [0x2d9]=worker}"},
		{"@$process.Threads.OrderByDescending(t => t.Id).First().Name", 0, "=logger"},
		{"@$process.Threads.GroupBy(t => t.Cpu)", 2, "{[0x0]{[0x2d5]=main [0x2dd]=logger} [0x1]{[0x2d9]=worker}}"},
		{"@$process.Threads.GroupBy(t => t.Name[0] == 1)", 1, "{[...]!a text has no elements}"},
		{"@$process.Threads.Flatten(t => t.Frames)", 1, "{[0]=f [1]=main [2]=f [3]=worker [4]=f [5]=logger}"},
		{"@$process.Threads.Select(t => t.Cpu).Distinct()", 1, "{[0x2d5]=0x0 [0x2d9]=0x1}"},
		{"@$process.Threads.Any(t => t.Name == \"worker\")", 0, "=true"},
		{"@$process.Threads.All(t => t.Id > 0x2d5)", 0, "=false"},
		{"@$process.Threads.Max(t => t.Id)", 0, "=0x2dd"},
		{"@$process.Threads.Min(t => t.Name)", 0, "=logger"},
		{"@$process.Threads.Sum(t => t.Cpu)", 0, "=0x1"},
		{"@$process.Threads.Average(t => t.Id)", 0, "=729"},
		{"@$process.Threads.Select(t => t.Name).Contains(\"main\")", 0, "=true"},
		{"@$process.Threads.Last(t => t.Cpu == 0).Name", 0, "=logger"},
		{"@$process.Threads.Single(t => t.Cpu == 1).Name", 0, "=worker"},
		{"@$process.Threads.Single()", 0, "error: a list has more than one such element"},
		{"@$process.Threads.First(t => t.Id == 1)", 0, "error: a list has no such element"},
		{"@$process.Threads.Zip(a, (t, n) => t.Name + \":\" + n).Take(2)", 1, "{[0]=main:10 [1]=worker:20}"},
		{"@$process.Threads.Select(t => t.Name).Concat(@$process.Threads.First().Frames).Count()", 0, "=0x5"},
		{"@$process.Threads.Select(t => t.Name).Except(@$process.Threads.First().Frames)", 1, "{[0x2d9]=worker [0x2dd]=logger}"},
		{"@$process.Threads.Reverse().First().Name", 0, "=logger"},
		{"@$process.Threads.TakeWhile(t => t.Name != \"logger\").Count()", 0, "=0x2"},
		{"@$process.Threads.SkipWhile(t => t.Cpu == 0).First().Name", 0, "=worker"},
		{"@$process.Threads.Where(1)", 1, "{[...]!a int is no function; write x => ...}"},
		{"@$process.Threads.Where()", 0, "error: a call of Where needs other arguments: Where(x => condition)"},
		{"@$process.Nope", 0, "error: Couldn't resolve error at 'Nope'"},
		{"@$process.Name.ToUpper()", 0, "=ORDERS"},
		{"@$process.Name.Length", 0, "=0x6"},
		{"@$process.Name.Length()", 0, "=0x6"},
		{"@$process.Name.Substring(1, 3)", 0, "=rde"},
		{"@$process.Name.Substring(99)", 0, ""},
		{"@$process.Name.Split(\"d\")", 1, "{[0]=or [1]=ers}"},
		{"@$process.Name.IndexOf(\"zz\")", 0, "=-1"},
		{"@$process.Name.Replace(\"or\", \"b\")", 0, "=bders"},
		{"@$process.Name.StartsWith(\"ord\") && @$process.Name.EndsWith(\"rs\")", 0, "=true:bool"},
		{"\" x \".Trim() + 5", 0, "=x5"},
		{"i.ToDisplayString(\"x\")", 0, "=0xfffffffb"},
		{"@$process.Name == \"orders\" ? 1 : 2", 0, "=1:int"},
		{"@$process.Name < \"p\"", 0, "=true"},
		{"@$process + 1", 0, "error: a process has no operator +"},
		{"-@$process", 0, "error: a process is not a number or pointer"},
		{"(x => x + 1)(4)", 0, "=5:int"},
		{"@$f = (x, y) => x * y", 0, "=<function>"},
		{"a.Where(x => x > 30)", 1, "{[3]=40:int [4]=50:int}"},
		{"a.Select(x => x * x).Sum()", 0, "=5500"},
		{"a.Count()", 0, "=0x5"},
		{"a.First(x => x == 9)", 0, "error: a list has no such element"},
		{"name.Length", 0, "=0x4"},
		{"(Order*)@$process", 0, "error: a process cannot be converted to 'Order *'"},
		{"sizeof(@$process.Name)", 0, "error: a text has no size"},
		{"new {a = 1, b = new {c = \"x\"}}.b.c", 0, "=\"x\":const char [2]"},
		{"new {1}", 0, "syntax: Syntax error at '1}'"},
		{"(x => x)", 0, "=<function>"},
		{"x =>", 0, "syntax: Numeric expression missing from '<EOL>'"},
	}
	for _, c := range tests {
		if got := query(t, modelEnv(), c.src, c.depth); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// TestUserFunctions keeps functions in variables; one that calls itself for ever ends.
func TestUserFunctions(t *testing.T) {
	env := modelEnv()
	for _, c := range []struct{ src, want string }{
		{"@$f = (x => x + 1)", "=<function>"},
		{"@$f(2)", "=3:int"},
		{"@$f()", "error: a lambda takes another number of arguments"},
		{"@$g = (x => @$g(x))", "=<function>"},
		{"@$g(1)", "error: the expression takes too long to evaluate"},
		{"@$add = (x => (y => x + y))", "=<function>"},
		{"@$add(2)(3)", "=5:int"},
		{"@$t = @$process.Threads.Where(t => t.Cpu == 0)", ""},
		{"@$t.Count()", "=0x2"},
	} {
		if got := query(t, env, c.src, 0); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.src, got, c.want)
		}
	}
}

// FuzzQuery evaluates queries over a data model; each must end.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"@$process.Threads.Where(t => t.Id > 1).Select(t => new {t.Name, n = t.Frames.Count()}).OrderBy(x => x.n)",
		"@$process.Threads.GroupBy(t => t.Cpu).Flatten()", "(x => x(x))(x => x(x))", "a.Zip(a, (x, y) => x * y).Sum()", `"a b".Split(" ").Select(s => s.ToUpper() + 1)`,
		"@$f = (x => @$f(@$f))", "new {a = 1, b = new {c = @$process}}.b.c.Name[0]", "a.Concat(a).Concat(a.Concat(a)).Distinct().Max()", "name.Substring(0, 99)",
		"a.Select(x => a.Select(y => a.Select(z => x * y * z).Sum()).Sum()).Sum()", "@$process.Threads[@$process.Threads.Min(t => t.Id)].Bad",
		`"x".Replace("x", "xx").Replace("x", "xx")`, "a.Union(a).Intersect(a).Except(a).SequenceEqual(a)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) { query(t, modelEnv(), src, 1) })
}
