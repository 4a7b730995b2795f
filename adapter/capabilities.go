package adapter

import (
	"maps"

	"dap-windbg/launch"
	"dap-windbg/targets"

	"github.com/google/go-dap"
)

// widest is what a target that can do everything gives; narrow takes away what
// the present one cannot do.
func widest() capabilities {
	return capabilities{
		Capabilities: dap.Capabilities{
			SupportsConfigurationDoneRequest:      true,
			SupportsFunctionBreakpoints:           true,
			SupportsConditionalBreakpoints:        true,
			SupportsHitConditionalBreakpoints:     true,
			SupportsLogPoints:                     true,
			SupportsInstructionBreakpoints:        true,
			SupportsDataBreakpoints:               true,
			SupportsBreakpointLocationsRequest:    true,
			SupportsExceptionInfoRequest:          true,
			SupportsExceptionFilterOptions:        true,
			SupportsEvaluateForHovers:             true,
			SupportsClipboardContext:              true,
			SupportsCompletionsRequest:            true,
			CompletionTriggerCharacters:           []string{".", "!", ">", ":"},
			SupportsSetVariable:                   true,
			SupportsSetExpression:                 true,
			SupportsValueFormattingOptions:        true,
			SupportsStepInTargetsRequest:          true,
			SupportsGotoTargetsRequest:            true,
			SupportsSteppingGranularity:           true,
			SupportsSingleThreadExecutionRequests: true,
			SupportsStepBack:                      true,
			SupportsModulesRequest:                true,
			AdditionalModuleColumns:               moduleColumns,
			SupportsLoadedSourcesRequest:          true,
			SupportsDelayedStackTraceLoading:      true,
			SupportsDisassembleRequest:            true,
			SupportsReadMemoryRequest:             true,
			SupportsWriteMemoryRequest:            true,
			SupportsRestartRequest:                true,
			SupportsRestartFrame:                  true,
			SupportsTerminateRequest:              true,
			SupportsTerminateThreadsRequest:       true,
			SupportTerminateDebuggee:              true,
			SupportSuspendDebuggee:                true,
			SupportsCancelRequest:                 true,
		},
		SupportsDataBreakpointBytes: true,
		BreakpointModes: []breakpointMode{
			{Mode: modeSoftware, Label: "Software", Description: "an instruction in the code is replaced", AppliesTo: []string{"source", "instruction"}},
			{Mode: modeHardware, Label: "Hardware", Description: "a debug register of the CPU is used", AppliesTo: []string{"source", "instruction"}},
		},
	}
}

const (
	modeSoftware = "software"
	modeHardware = "hardware"
)

// ableTo tells what a target can do of what initialize promised.
func ableTo(t targets.Target, p launch.Plan) map[string]bool {
	info := t.Info()
	bits := info.Limits.Bits
	_, runs := t.(targets.Runner)
	_, writes := t.(targets.Writer)
	_, traps := t.(targets.Trapper)
	return map[string]bool{
		"supportsStepBack":                      runs && bits&(targets.ReverseStep|targets.ReverseGo) != 0,
		"supportsWriteMemoryRequest":            writes,
		"supportsSetVariable":                   writes,
		"supportsSetExpression":                 writes,
		"supportsGotoTargetsRequest":            runs && writes,
		"supportsStepInTargetsRequest":          runs,
		"supportsSingleThreadExecutionRequests": runs,
		"supportsDataBreakpoints":               runs && traps,
		"supportsDataBreakpointBytes":           runs && traps,
		"supportsInstructionBreakpoints":        runs,
		"supportsFunctionBreakpoints":           runs,
		"supportsRestartFrame":                  runs && writes,
		"supportsRestartRequest":                runs && p.Request == launch.Launch,
		"supportsTerminateRequest":              runs,
		"supportsTerminateThreadsRequest":       runs && writes && info.OS == "linux" && !info.Machine,
		"supportTerminateDebuggee":              runs,
	}
}

// tellCapabilities corrects what the client believes, now that the target is known.
// Absence means no change, so only what differs is told.
func (s *session) tellCapabilities() {
	changed := map[string]any{}
	s.stopped(s.ctx, func(v *inspection) error {
		for name, able := range ableTo(v.Target(), s.plan) {
			if s.lacks[name] == able {
				changed[name] = able
			}
		}
		return nil
	})
	for name, able := range changed {
		if s.lacks == nil {
			s.lacks = map[string]bool{}
		}
		s.lacks[name] = able == false
	}
	maps.Copy(changed, s.filterCapability())
	if len(changed) > 0 {
		s.tellEvent("capabilities", map[string]any{"capabilities": changed})
	}
}

// meet tells of a debuggee that was not there before: at the start, and when a
// command line brings another.
func (s *session) meet() {
	if es := s.engine(); es != nil && es != s.met {
		s.met = es
		s.tellCapabilities()
		if s.phase == live {
			s.tellProcess()
		}
	}
	s.setEarly()
}
