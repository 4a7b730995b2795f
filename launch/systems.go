package launch

import (
	"dap-windbg/systems"
	"dap-windbg/systems/linuxkernel"
	"dap-windbg/systems/winkernel"
)

// Systems are those that bring commands of their own, for who lists them without a
// debuggee.
func Systems() []systems.System {
	return []systems.System{linuxkernel.New(linuxkernel.Options{}), winkernel.New()}
}
