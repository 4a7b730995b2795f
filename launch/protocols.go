package launch

// kind of an argument's value.
type kind uint8

const (
	text      kind = iota
	tcpPort        // 1-65535, decimal
	portRange      // N or N:M
	boolean
	number
	baudRate
	flag
	password
	pipeName
	channel       // 0-254
	transportForm // @{connection}
	kdLine        // @{connection}, may be empty
	commandLine   // @{argv}
	choice        // one of spec.oneOf
	duration
)

// argSpec describes one argument.
type argSpec struct {
	name  string
	kind  kind
	need  bool
	alias string
	oneOf []string
}

// protocol is a row of the table: what follows "name:" and where it may stand.
type protocol struct {
	name  string
	roles []Role
	args  []argSpec
	title string // for people
}

var serialArgs = []argSpec{
	{name: "port"}, {name: "baud", kind: baudRate, alias: "baudrate"}, {name: "server"},
}

var passwordArgs = []argSpec{
	{name: "hidden", kind: flag}, {name: "password", kind: password}, {name: "ipversion", kind: choice, oneOf: []string{"4", "6"}},
	{name: "icfenable", kind: flag},
}

var tlsArgs = []argSpec{
	{name: "proto", kind: choice, need: true, oneOf: []string{"tls1", "tls12", "tls13"}}, {name: "certuser"}, {name: "machuser"},
	{name: "fingerprint"},
}

func args(parts ...[]argSpec) []argSpec {
	var out []argSpec
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// protocols is the table, in the order error texts list them.
var protocols = []protocol{
	{"gdb", []Role{TargetLink, ProcessServer, Session}, []argSpec{
		{name: "server", need: true}, {name: "port", kind: tcpPort, need: true},
		{name: "threadEvents", kind: boolean}, {name: "timeout", kind: duration}, {name: "sysroot"},
		{name: "arch"}, {name: "nonstop", kind: boolean}, {name: "log"},
		{name: "cmd", kind: commandLine}, {name: "os", kind: choice, oneOf: osNames},
	}, "GDB remote protocol"},
	{"com", []Role{TargetLink, Kernel, ServerSide, Session, ProcessServer}, args(serialArgs, []argSpec{
		{name: "pipe", kind: flag}, {name: "reconnect", kind: flag}, {name: "resets", kind: number}, {name: "modem", kind: flag},
		{name: "ipport", kind: tcpPort}, {name: "crlf", kind: choice, oneOf: []string{"off", "fix", "auto"}},
		{name: "channel", kind: channel}, {name: "hidden", kind: flag}, {name: "password", kind: password},
	}), "KD over a serial line"},
	{"net", []Role{TargetLink, Kernel}, []argSpec{
		{name: "port", kind: tcpPort, need: true}, {name: "key", need: true}, {name: "target"},
	}, "KDNET"},
	{"kdsrv", []Role{TargetLink, Kernel}, []argSpec{
		{name: "server", kind: transportForm, need: true}, {name: "trans", kind: kdLine, need: true},
	}, "KD connection server"},
	{"exdi", []Role{TargetLink, Kernel}, []argSpec{
		{name: "clsid", need: true}, {name: "kd", kind: choice, need: true, oneOf: []string{"Guess", "NtBaseAddr"}},
		{name: "inproc"}, {name: "databreaks"}, {name: "forcex86", kind: flag}, {name: "pathtosrvcfgfiles"}, {name: "gdb"},
		{name: "os", kind: choice, oneOf: osNames},
	}, "EXDI, a GDB stub of a machine"},
	{"kgdb", []Role{TargetLink, Kernel}, []argSpec{
		{name: "port", need: true}, {name: "server"}, {name: "baud", kind: baudRate, alias: "baudrate"},
		{name: "enter", kind: choice, oneOf: []string{"esc", "break", "none"}, alias: "sysrq"}, {name: "vmlinux"},
		{name: "timeout", kind: duration},
	}, "Linux kgdb over a line"},
	{"kdb", []Role{TargetLink, Kernel}, []argSpec{
		{name: "port", need: true}, {name: "server"}, {name: "baud", kind: baudRate, alias: "baudrate"},
		{name: "enter", kind: choice, oneOf: []string{"esc", "break", "none"}, alias: "sysrq"}, {name: "vmlinux"},
		{name: "timeout", kind: duration},
	}, "Linux kdb text console"},
	{"qemu", []Role{TargetLink, Kernel}, []argSpec{
		{name: "server", need: true}, {name: "port", kind: tcpPort, need: true},
		{name: "os", kind: choice, oneOf: osNames}, {name: "vmlinux"}, {name: "break", kind: boolean},
		{name: "phys", kind: boolean}, {name: "databreaks", kind: boolean},
	}, "QEMU's GDB stub"},
	{"tcp", []Role{Session, ProcessServer, ServerSide}, args([]argSpec{
		{name: "server"}, {name: "port", kind: portRange, need: true}, {name: "clicon"}}, passwordArgs), "TCP transport"},
	{"npipe", []Role{Session, ProcessServer, ServerSide}, args([]argSpec{
		{name: "server"}, {name: "pipe", kind: pipeName, need: true}}, passwordArgs), "named pipe transport"},
	{"ssl", []Role{Session, ProcessServer, ServerSide}, args(tlsArgs, []argSpec{
		{name: "server"}, {name: "port", kind: portRange, need: true}, {name: "clicon"}}, passwordArgs), "TLS transport"},
	{"spipe", []Role{Session, ProcessServer, ServerSide}, args(tlsArgs, []argSpec{
		{name: "server"}, {name: "pipe", kind: pipeName, need: true}}, passwordArgs), "TLS named pipe transport"},
}

var osNames = []string{"linux", "linuxkernel", "windows", "windowskernel"}

func findProtocol(name string) (*protocol, bool) {
	for i := range protocols {
		if protocols[i].name == name {
			return &protocols[i], true
		}
	}
	return nil, false
}

func (p *protocol) fits(r Role) bool {
	if r == AnyRole {
		return true
	}
	for _, have := range p.roles {
		if have == r || r == Session && have == TargetLink {
			return true
		}
	}
	return false
}
