package dap

import (
	"fmt"
	"strings"
	"testing"

	"dap-windbg/tests/built"
	"dap-windbg/tests/dapclient"

	"github.com/google/go-dap"
)

// inTrouble launches it with exception breakpoints.
func inTrouble(t *testing.T, filters ...map[string]any) (*dapclient.Client, []dap.Breakpoint) {
	t.Helper()
	program := built.Program(t, "testdata/trouble.cpp")
	c := inProcess(t)
	c.Initialize()
	seq := c.Send("launch", map[string]any{"program": program})
	c.Event("initialized", nil)
	var set dap.SetExceptionBreakpointsResponseBody
	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{}, "filterOptions": filters}, &set)
	c.Do("configurationDone", nil, nil)
	c.Good(seq, nil)
	return c, set.Breakpoints
}

func raised(c *dapclient.Client, thread int) dap.ExceptionInfoResponseBody {
	var info dap.ExceptionInfoResponseBody
	c.Do("exceptionInfo", map[string]any{"threadId": thread}, &info)
	return info
}

// TestThrownTypes: a C++ exception stops where its type is one of the filter's; what
// it is can be asked, and looked into.
func TestThrownTypes(t *testing.T) {
	c, _ := inTrouble(t, map[string]any{"filterId": "eh", "condition": "shop::*"})
	thread := c.Stopped("exception").ThreadId
	info := raised(c, thread)
	d := info.Details
	if info.ExceptionId != "shop::OutOfStock" || info.BreakMode != "always" || d == nil || d.TypeName != "OutOfStock" ||
		d.FullTypeName != "shop::OutOfStock" || d.Message != "nothing left" || !strings.Contains(d.StackTrace, "sell at ") {
		t.Fatalf("exception %+v, details %+v", info, d)
	}
	e := c.Evaluate("watch", d.EvaluateName, 0)
	if got := c.Variables(e.VariablesReference)["item"].Value; got != "2" {
		t.Errorf("%s shows item %q", d.EvaluateName, got)
	}

	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{"ehr"}}, nil)
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	stop := c.Stopped("exception")
	if info := raised(c, thread); info.ExceptionId != "shop::OutOfStock" || !strings.Contains(stop.Text, "rethrown") {
		t.Errorf("rethrown: %q, %+v", stop.Text, info)
	}
	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{"ehc"}}, nil)
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	if stop := c.Stopped("exception"); !strings.Contains(stop.Text, "caught") {
		t.Errorf("caught: %q", stop.Text)
	}
	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{}}, nil)
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Event("terminated", nil)
	c.Disconnect(nil)
}

// TestSignalFilter: a signal nobody stops at by default stops when the editor's filter
// has its name, and the filter's answer says which names there are not.
func TestSignalFilter(t *testing.T) {
	c, set := inTrouble(t,
		map[string]any{"filterId": "signals", "condition": "sigalrm, SIGW*"},
		map[string]any{"filterId": "signals", "condition": "SIGNAL"},
		map[string]any{"filterId": "av", "condition": "x"},
		map[string]any{"filterId": "weather"})
	var verified []bool
	for _, b := range set {
		verified = append(verified, b.Verified)
		if !b.Verified && b.Message == "" {
			t.Errorf("refused without a reason: %+v", b)
		}
	}
	if fmt.Sprint(verified) != "[true false false false]" {
		t.Errorf("verified %v: %+v", verified, set)
	}
	thread := c.Stopped("exception").ThreadId
	if info := raised(c, thread); info.ExceptionId != "SIGALRM" || !strings.Contains(info.Details.StackTrace, "main at ") {
		t.Errorf("%+v", info)
	}
	if text := c.Fail("exceptionInfo", map[string]any{"threadId": 1}); !strings.Contains(text, "no thread 1") {
		t.Error(text)
	}
	c.Do("setExceptionBreakpoints", map[string]any{"filters": []string{}}, nil)
	if sx := c.Command("sx"); !strings.Contains(sx, "sigalrm") && !strings.Contains(strings.ToLower(sx), "alarm") {
		t.Errorf("sx has no row of it: %s", sx)
	}
	c.Do("continue", map[string]any{"threadId": thread}, nil)
	c.Event("terminated", nil)
	c.Disconnect(nil)
}
