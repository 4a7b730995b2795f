package adapter_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"dap-windbg/targets/fake"

	"github.com/google/go-dap"
)

// TestSlowRequest: a request that the far end makes slow is told as progress, with
// its number, and can be cancelled by the progress's id.
func TestSlowRequest(t *testing.T) {
	c, d, _ := over(t, "main", 1)
	never := make(chan struct{})
	d.target.Delay(fake.ReadMemory, never)
	seq := c.Send("readMemory", map[string]any{"memoryReference": fmt.Sprintf("%#x", uint64(fake.DemoData)), "count": 16})
	var begun dap.ProgressStartEventBody
	if err := json.Unmarshal(c.Event("progressStart", nil).Body, &begun); err != nil {
		t.Fatal(err)
	}
	if begun.RequestId != seq || !begun.Cancellable || begun.Title == "" {
		t.Errorf("progress %+v for request %d", begun, seq)
	}
	c.Do("cancel", map[string]any{"progressId": begun.ProgressId}, nil)
	if m := c.Response(seq); m.Success || m.Message != "cancelled" {
		t.Errorf("a cancelled request: %+v", m)
	}
	c.Event("progressEnd", nil)

	line := evaluate(c, "long") // command lines too
	if err := json.Unmarshal(c.Event("progressStart", nil).Body, &begun); err != nil {
		t.Fatal(err)
	}
	if begun.RequestId != line {
		t.Errorf("progress %+v for line %d", begun, line)
	}
	c.Do("cancel", map[string]any{"progressId": begun.ProgressId}, nil)
	c.Response(line)
	close(never)
	c.Disconnect(nil)
}
