package pdb

import (
	"strconv"
	"strings"

	"dap-windbg/symbols"
)

// decorated reports whether a name is one of Microsoft's C++ decorated names.
func decorated(name string) bool { return strings.HasPrefix(name, "?") }

// undecorated is a linkage name as people write it, without parameters; one that
// is not understood stays as it is.
func (f *File) undecorated(name string) string {
	if decorated(name) {
		return undecorate(name)
	}
	if f.dbi.machine != machineI386 || name == "" || name[0] != '_' && name[0] != '@' {
		return name
	}
	plain := name[1:]
	if k := strings.LastIndexByte(plain, '@'); k > 0 && k+1 < len(plain) && strings.Trim(plain[k+1:], "0123456789") == "" {
		plain = plain[:k]
	}
	if plain == "" {
		return name
	}
	return plain
}

// Codes of operators and of what compilers make, behind "?" and "?_".
var (
	operators = map[byte]string{
		'2': "operator new", '3': "operator delete", '4': "operator=", '5': "operator>>", '6': "operator<<", '7': "operator!", '8': "operator==", '9': "operator!=",
		'A': "operator[]", 'C': "operator->", 'D': "operator*", 'E': "operator++", 'F': "operator--", 'G': "operator-", 'H': "operator+", 'I': "operator&",
		'J': "operator->*", 'K': "operator/", 'L': "operator%", 'M': "operator<", 'N': "operator<=", 'O': "operator>", 'P': "operator>=", 'Q': "operator,",
		'R': "operator()", 'S': "operator~", 'T': "operator^", 'U': "operator|", 'V': "operator&&", 'W': "operator||", 'X': "operator*=", 'Y': "operator+=", 'Z': "operator-=",
	}
	specials = map[byte]string{
		'0': "operator/=", '1': "operator%=", '2': "operator>>=", '3': "operator<<=", '4': "operator&=", '5': "operator|=", '6': "operator^=",
		'7': "`vftable'", '8': "`vbtable'", '9': "`vcall'", 'D': "`vbase dtor'", 'E': "`vector deleting dtor'", 'F': "`default ctor closure'",
		'G': "`scalar deleting dtor'", 'H': "`vector ctor iterator'", 'I': "`vector dtor iterator'", 'L': "`eh vector ctor iterator'", 'M': "`eh vector dtor iterator'",
		'S': "`local vftable'", 'U': "operator new[]", 'V': "operator delete[]",
	}
	basicTypes = map[byte]string{
		'C': "signed char", 'D': "char", 'E': "unsigned char", 'F': "short", 'G': "unsigned short", 'H': "int", 'I': "unsigned int", 'J': "long", 'K': "unsigned long",
		'M': "float", 'N': "double", 'O': "long double", 'X': "void",
	}
	wideTypes = map[byte]string{'J': "__int64", 'K': "unsigned __int64", 'L': "__int128", 'M': "unsigned __int128", 'N': "bool", 'W': "wchar_t", 'Q': "char8_t", 'S': "char16_t", 'U': "char32_t"}
)

// undecorator reads a decorated name. Names and types that came before are referred
// to by one digit.
type undecorator struct {
	s     string
	names []string
	types []string
	bad   bool
	depth int
}

// maxNesting bounds templates in templates.
const maxNesting = 32

func undecorate(name string) string {
	u := &undecorator{s: name[1:]}
	if strings.HasPrefix(u.s, "?_C@") {
		return "`string'"
	}
	if out := u.qualified(true); !u.bad && out != "" {
		return out
	}
	return name
}

func (u *undecorator) fail() string {
	u.bad, u.s = true, ""
	return ""
}

func (u *undecorator) eat(prefix string) bool {
	rest, ok := strings.CutPrefix(u.s, prefix)
	if ok {
		u.s = rest
	}
	return ok
}

func (u *undecorator) next() byte {
	if u.s == "" {
		u.fail()
		return 0
	}
	c := u.s[0]
	u.s = u.s[1:]
	return c
}

// qualified reads a name and its scopes up to the "@" that ends them. A function's
// own name may be an operator.
func (u *undecorator) qualified(own bool) string {
	if u.depth++; u.depth > maxNesting {
		return u.fail()
	}
	defer func() { u.depth-- }()
	class := byte(0) // of a constructor or destructor: named as its class
	name := ""
	if own && strings.HasPrefix(u.s, "?") && !strings.HasPrefix(u.s, "?$") {
		u.next()
		name, class = u.operator()
	} else {
		name = u.part()
	}
	var scopes []string
	for !u.bad && !u.eat("@") {
		scopes = append(scopes, u.part())
	}
	if class != 0 {
		if len(scopes) == 0 {
			return u.fail()
		}
		name = strings.TrimSuffix(name, "~") + map[byte]string{'0': "", '1': "~"}[class] + symbols.WithoutTemplates(scopes[0])
	}
	for _, s := range scopes {
		name = s + "::" + name
	}
	return name
}

// operator reads what follows the "?" of a function that is none of the program's names.
func (u *undecorator) operator() (name string, class byte) {
	c := u.next()
	switch c {
	case '0', '1':
		return "", c
	case '_':
		c = u.next()
		if c == 'R' {
			return u.rtti(), 0
		}
		if name = specials[c]; name == "" {
			u.fail()
		}
		return name, 0
	}
	if name = operators[c]; name == "" {
		u.fail()
	}
	return name, 0
}

// rtti reads which of the type descriptions it is.
func (u *undecorator) rtti() string {
	switch u.next() {
	case '1':
		for range 4 {
			u.number()
		}
		return "`RTTI Base Class Descriptor'"
	case '2':
		return "`RTTI Base Class Array'"
	case '3':
		return "`RTTI Class Hierarchy Descriptor'"
	case '4':
		return "`RTTI Complete Object Locator'"
	}
	return u.fail()
}

// part reads one component of a name.
func (u *undecorator) part() string {
	switch {
	case u.s == "":
		return u.fail()
	case u.eat("?$"):
		return u.template()
	case u.eat("?A"):
		if _, rest, ok := strings.Cut(u.s, "@"); ok {
			u.s = rest
			u.remember("`anonymous namespace'")
			return "`anonymous namespace'"
		}
		return u.fail()
	case u.s[0] == '?': // a name in the scope of a function
		return u.fail()
	case u.s[0] >= '0' && u.s[0] <= '9':
		i := int(u.next() - '0')
		if i >= len(u.names) {
			return u.fail()
		}
		return u.names[i]
	}
	name, rest, ok := strings.Cut(u.s, "@")
	if !ok || name == "" {
		return u.fail()
	}
	u.s = rest
	u.remember(name)
	return name
}

func (u *undecorator) remember(name string) {
	if len(u.names) < 10 {
		for _, n := range u.names {
			if n == name {
				return
			}
		}
		u.names = append(u.names, name)
	}
}

// template reads a template's name and arguments, which count their own references.
func (u *undecorator) template() string {
	inner := &undecorator{s: u.s, depth: u.depth + 1}
	if inner.depth > maxNesting {
		return u.fail()
	}
	name := inner.part()
	var args []string
	for !inner.bad && !inner.eat("@") {
		if arg := inner.argument(); arg != "" {
			args = append(args, arg)
		}
	}
	if inner.bad {
		return u.fail()
	}
	u.s = inner.s
	name += "<" + strings.Join(args, ",") + ">"
	u.remember(name)
	return name
}

// argument reads a template's argument: a constant or a type; "" for an empty pack.
func (u *undecorator) argument() string {
	switch {
	case u.eat("$0"):
		return u.number()
	case u.eat("$$V"), u.eat("$$Z"), u.eat("$S"):
		return ""
	case strings.HasPrefix(u.s, "$") && !strings.HasPrefix(u.s, "$$"):
		return u.fail()
	}
	return u.typeName()
}

// number reads a constant: a digit is one less than it means, else letters from A
// on are hexadecimal digits, up to "@".
func (u *undecorator) number() string {
	sign := ""
	if u.eat("?") {
		sign = "-"
	}
	c := u.next()
	if c >= '0' && c <= '9' {
		return sign + string(strconv.Itoa(int(c-'0')+1))
	}
	v := uint64(0)
	for ; c >= 'A' && c <= 'P'; c = u.next() {
		v = v<<4 | uint64(c-'A')
	}
	if c != '@' {
		return u.fail()
	}
	return sign + strconv.FormatUint(v, 10)
}

// qualifiers are the words of a "this"-less type's const and volatile.
var qualifiers = map[byte]string{'A': "", 'B': "const ", 'C': "volatile ", 'D': "const volatile "}

// typeName reads a type.
func (u *undecorator) typeName() string {
	if u.depth++; u.depth > maxNesting {
		return u.fail()
	}
	defer func() { u.depth-- }()
	if len(u.s) > 0 && u.s[0] >= '0' && u.s[0] <= '9' {
		i := int(u.next() - '0')
		if i >= len(u.types) {
			return u.fail()
		}
		return u.types[i]
	}
	before := len(u.s)
	out := u.newType()
	if before-len(u.s) > 1 && len(u.types) < 10 {
		u.types = append(u.types, out)
	}
	return out
}

func (u *undecorator) newType() string {
	switch {
	case u.eat("$$Q"):
		return u.pointed("&&")
	case u.eat("$$C"):
		q := qualifiers[u.next()]
		return q + u.typeName()
	case u.eat("$$T"):
		return "std::nullptr_t"
	}
	c := u.next()
	if name, ok := basicTypes[c]; ok {
		return name
	}
	switch c {
	case '_':
		if name, ok := wideTypes[u.next()]; ok {
			return name
		}
	case 'A':
		return u.pointed("&")
	case 'P':
		return u.pointed("*")
	case 'Q', 'R', 'S':
		return u.pointed("*") + map[byte]string{'Q': "const", 'R': "volatile", 'S': "const volatile"}[c]
	case 'T', 'U', 'V':
		return u.qualified(false)
	case 'W':
		u.next() // the size of the enumeration
		return u.qualified(false)
	}
	return u.fail()
}

// pointed reads what a pointer or reference leads to.
func (u *undecorator) pointed(mark string) string {
	u.eat("E") // of 64 bits
	u.eat("I") // restrict
	q, ok := qualifiers[u.next()]
	if !ok {
		return u.fail() // functions and members
	}
	return q + u.typeName() + " " + mark
}
