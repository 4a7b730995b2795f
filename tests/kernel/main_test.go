package kernel

import (
	"testing"

	"dap-windbg/tests/built"
)

func TestMain(m *testing.M) { built.Main(m) }
