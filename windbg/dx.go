package windbg

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"dap-windbg/engine"
	"dap-windbg/eval"
	"dap-windbg/symbols"
)

// dxOptions are those of dx.
type dxOptions struct {
	depth   int // -r
	skip    int // -c: elements skipped
	grid    bool
	calls   bool // -f: functions of the debuggee may be called
	clip    int  // -gc: widest column, 0 any
	native  bool
	verbose bool // -v: the text of a StringView and what can be called too
	about   bool // -h: what can be called alone
	help    bool // -?
}

// dxPage is how many elements are shown before "[...]".
const dxPage = 100

func displayModel(ctx context.Context, c *call) error {
	return c.withCommands(func() error { return dx(ctx, c) })
}

func dx(ctx context.Context, c *call) error {
	o, err := c.dxOptions()
	if err != nil {
		return err
	}
	if o.help {
		return c.i.commands().help(c.out, "dx")
	}
	src := c.all()
	if src == "" {
		return c.syntax(0)
	}
	_, format, err := eval.ParseFormat(src)
	if err != nil {
		return err
	}
	if format.Raw {
		o.native = true
	}
	expr := src
	if o.native && !format.Raw {
		expr += ",!"
	}
	f, err := anyFrame(ctx, c.v)
	if err != nil {
		return err
	}
	if o.calls {
		defer c.v.AllowCalls(c.v.AllowCalls(true))
	}
	obj, err := c.v.Object(ctx, f, src, expr)
	if err != nil {
		return dxError(err)
	}
	length := dxPage
	if format.Length > 0 {
		length = format.Length
	}
	d := &dxWriter{out: c.out, o: o, most: length, children: func(ctx context.Context, x *eval.Object, start, n int) ([]*eval.Object, error) {
		return c.v.Children(ctx, f, x, start, n)
	}}
	switch {
	case o.about:
		fmt.Fprintln(c.out, objectLine(obj, 0, true))
		d.methods(obj)
		return nil
	case o.grid:
		return d.grid(ctx, obj)
	}
	if err := d.tree(ctx, obj); err != nil || !o.verbose {
		return err
	}
	d.methods(obj)
	return d.whole(ctx, obj)
}

// methods prints what can be called on a value of the data model, or on the elements
// of a container.
func (d *dxWriter) methods(x *eval.Object) {
	for _, usage := range callable(x) {
		fmt.Fprintf(d.out, "%s%s\n", indent(1), usage)
	}
}

// callable lists what can be called on a value of the data model, or on the elements of
// a container, as people write it.
func callable(x *eval.Object) []string {
	v := x.Value
	if v.Item == nil && x.Indexed > 0 {
		v = eval.ItemOf(&eval.Item{List: &eval.List{}})
	}
	if v.Item == nil {
		return nil
	}
	return eval.Methods(v)
}

// whole prints the text that a text viewer would show of x, if it has one.
func (d *dxWriter) whole(ctx context.Context, x *eval.Object) error {
	if x.Whole == nil {
		return nil
	}
	reader := &eval.Object{Expand: func(ctx context.Context, env eval.Env, _, _ int) ([]*eval.Object, error) {
		text, err := x.Whole(ctx, env)
		return []*eval.Object{{Text: text}}, err
	}}
	kids, err := d.children(ctx, reader, 0, 1)
	if err != nil {
		return dxError(err)
	}
	for _, k := range kids {
		fmt.Fprintln(d.out, k.Text)
	}
	return nil
}

// dxError gives errors the words dx uses.
func dxError(err error) error {
	if n, ok := asError[*eval.NameError](err); ok {
		return &Error{Text: fmt.Sprintf("Error: Unable to bind name '%s'", n.Name), Err: err}
	}
	if text := err.Error(); !strings.HasPrefix(text, "Error: ") {
		return &Error{Text: "Error: " + text, Err: err}
	}
	return err
}

func (c *call) dxOptions() (dxOptions, error) {
	o := dxOptions{depth: 1}
	for {
		c.skip()
		if len(c.line) < 2 || c.line[0] != '-' || strings.IndexByte("rgcnvifh?", c.line[1]) < 0 {
			return o, nil
		}
		word, _, _ := strings.Cut(c.line, " ")
		name := strings.TrimRight(word[1:], "0123456789")
		digits := word[1+len(name):]
		switch name {
		case "r", "g", "c", "n", "v", "gc", "id", "f", "h", "?":
		default:
			return o, nil // an expression such as -reserve
		}
		at := c.base
		c.word()
		if (name == "c" || name == "gc") && digits == "" {
			digits = c.word()
		}
		n := 0
		if digits != "" {
			var err error
			if n, err = strconv.Atoi(digits); err != nil {
				return o, &Error{Kind: "Syntax", Command: c.text, Pos: at}
			}
		}
		switch name {
		case "r":
			o.depth = 1
			if digits != "" {
				o.depth = n
			}
		case "g":
			o.grid = true
		case "gc":
			o.grid, o.clip = true, n
		case "c":
			o.skip = n
		case "n":
			o.native = true
		case "v":
			o.verbose = true
		case "f":
			o.calls = true
		case "h":
			o.about = true
		case "?":
			o.help = true
		}
	}
}

// dxWriter prints a tree of objects.
type dxWriter struct {
	out      io.Writer
	o        dxOptions
	most     int // elements shown
	children func(ctx context.Context, x *eval.Object, start, n int) ([]*eval.Object, error)
}

func (d *dxWriter) tree(ctx context.Context, root *eval.Object) error {
	fmt.Fprintln(d.out, objectLine(root, 0, root.Leaf()))
	return d.level(ctx, root, 1)
}

// level prints the children of x down to the wanted depth.
func (d *dxWriter) level(ctx context.Context, x *eval.Object, depth int) error {
	if depth > d.o.depth || x.Leaf() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	skip := 0
	if depth == 1 {
		skip = d.o.skip
	}
	kids, more, err := d.page(ctx, x, skip)
	if err != nil {
		return err
	}
	for _, k := range kids {
		fmt.Fprintln(d.out, objectLine(k, depth, k.Leaf()))
		if k.Name == "[<Raw View>]" {
			continue
		}
		if err := d.level(ctx, k, depth+1); err != nil {
			return err
		}
	}
	if more {
		fmt.Fprintf(d.out, "%s[...]            \n", indent(depth))
	}
	return nil
}

// page is the children of x that are shown at once, behind the first skip elements, and
// whether there are more.
func (d *dxWriter) page(ctx context.Context, x *eval.Object, skip int) (kids []*eval.Object, more bool, err error) {
	start, want := 0, max(0, x.Named)+d.most
	if skip > 0 {
		start, want = max(0, x.Named)+skip, d.most
	}
	if kids, err = d.children(ctx, x, start, want+1); err != nil {
		return nil, false, dxError(err)
	}
	if more = len(kids) > want; more {
		kids = kids[:want]
	}
	return kids, more, nil
}

func indent(depth int) string { return strings.Repeat(" ", 4*depth) }

// objectLine is a row of dx without its line end.
func objectLine(x *eval.Object, depth int, leaf bool) string {
	var b strings.Builder
	b.WriteString(indent(depth))
	if x.HasOffset {
		if x.Bits {
			fmt.Fprintf(&b, "[+0x%03x (%2d:%2d)] ", x.Offset, x.BitHigh, x.BitLow)
		} else {
			fmt.Fprintf(&b, "[+0x%03x] ", x.Offset)
		}
	}
	text := x.Text
	if x.Err != nil && text == "" {
		text = dxTrouble(x.Err)
	}
	switch {
	case depth == 0:
		b.WriteString(x.Name + strings.Repeat(" ", 16))
	case x.Name == "[<Raw View>]":
		b.WriteString(x.Name + "    ")
		text = ""
	default:
		fmt.Fprintf(&b, "%-16s", x.Name)
	}
	if text != "" {
		b.WriteString(" : " + text)
	}
	if x.Type != "" {
		b.WriteString(" [Type: " + x.Type + "]")
	}
	return b.String()
}

// dxTrouble is shown in place of a value.
func dxTrouble(err error) string {
	if unavailable(err) {
		return "<value unavailable>"
	}
	return "<" + err.Error() + ">"
}

// grid prints a row for each child that is shown at once and a column for each of its
// children.
func (d *dxWriter) grid(ctx context.Context, root *eval.Object) error {
	rows, more, err := d.page(ctx, root, d.o.skip)
	if err != nil {
		return err
	}
	head := []string{""}
	column := map[string]int{}
	var table [][]string
	for _, r := range rows {
		if r.Name == "[<Raw View>]" {
			continue
		}
		cells := []string{r.Name}
		kids, err := d.children(ctx, r, 0, d.most)
		if err != nil {
			return dxError(err)
		}
		if len(kids) == 0 {
			kids = []*eval.Object{{Name: "Value", Text: r.Text}}
		}
		for _, k := range kids {
			if k.Name == "[<Raw View>]" {
				continue
			}
			if column[k.Name] == 0 {
				column[k.Name] = len(head)
				head = append(head, "= "+k.Name)
			}
			for len(cells) <= column[k.Name] {
				cells = append(cells, "")
			}
			cells[column[k.Name]] = k.Text
		}
		table = append(table, cells)
	}
	fmt.Fprint(d.out, gridText(head, table, d.o.clip))
	if more {
		fmt.Fprintln(d.out, "[...]")
	}
	return nil
}

// gridText lays cells out as dx -g does; clip limits the columns' widths, 0 is none.
func gridText(head []string, rows [][]string, clip int) string {
	width := make([]int, len(head))
	for _, r := range append([][]string{head}, rows...) {
		for k, s := range r {
			if width[k] = max(width[k], len([]rune(s))+1); clip > 0 {
				width[k] = min(width[k], clip)
			}
		}
	}
	var b strings.Builder
	cell := func(s string, w int) string {
		r := []rune(s)
		if len(r) > w {
			r = r[:w]
		}
		return string(r) + strings.Repeat(" ", w-len(r))
	}
	write := func(cells []string, sep string) {
		b.WriteByte('=')
		for k, w := range width {
			s := ""
			if k < len(cells) {
				s = cells[k]
			}
			lead := " "
			if k > 0 {
				lead = sep
			}
			b.WriteString(lead + cell(s, w))
		}
		b.WriteString("=\n")
	}
	total := 2
	for k, w := range width {
		total += w + 1
		if k > 0 {
			total++
		}
	}
	border := strings.Repeat("=", total) + "\n"
	b.WriteString(border)
	for k := 1; k < len(head); k++ {
		head[k] = strings.TrimPrefix(head[k], "= ")
	}
	write(head, "= ")
	b.WriteString(border)
	for _, r := range rows {
		write(r, "- ")
	}
	b.WriteString(border)
	return b.String()
}

// showValue is `??`: the type and value, then fields.
func showValue(ctx context.Context, c *call) error {
	src := strings.TrimSuffix(c.all(), "//")
	if src == "" {
		return c.syntax(0)
	}
	f, err := anyFrame(ctx, c.v)
	if err != nil {
		return err
	}
	val, err := c.v.Eval(ctx, f, src, eval.Options{Dialect: eval.CPP})
	if err != nil {
		return expressionError(src, err)
	}
	return c.printValue(ctx, f, val)
}

// printValue writes the type and value, then fields, of val.
func (c *call) printValue(ctx context.Context, f *engine.Frame, val eval.Value) error {
	switch {
	case val.Item != nil:
		c.printf("%s\n", val.Item.Text)
		return nil
	case val.Type == nil:
		c.printf("<no value>\n")
		return nil
	case val.Type.Strip() == nil || val.Type.Strip().Kind == symbols.Void:
		c.printf("void\n")
		return nil
	}
	typ := dtTypeName(val.Type)
	target := val.Type.Strip()
	if target.IsComposite() {
		c.printf("%s\n", typ)
		return c.fields(ctx, f, val, 1, dtOptions{}, nil)
	}
	text := c.valueText(ctx, f, val)
	if target.Kind == symbols.Array && text == typ && val.Place == eval.InMemory {
		text = "0x" + val.Addr.Text(pointerSize(c.v))
	}
	if head, quoted, ok := strings.Cut(text, ` "`); ok && val.Type.IsPointer() {
		text = strings.TrimRight(head, " ") + "\n" + ` "` + quoted
	}
	c.printf("%s %s\n", typ, text)
	if val.Type.IsPointer() && target.Elem.IsComposite() {
		if at, err := eval.Int(ctx, c.v.Env(f), val); err == nil && at != 0 {
			return c.fields(ctx, f, pointee(val, at), 1, dtOptions{}, nil)
		}
	}
	return nil
}
