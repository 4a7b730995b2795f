package rsp

import "dap-windbg/targets"

func (p *plan) readModules(o *targets.ModulesRead) {}
