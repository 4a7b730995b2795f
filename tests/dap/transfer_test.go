package dap

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-dap"

	"dap-windbg/tests/dapclient"
)

// TestCancelTransfer: a download is told as progress; cancelled, it ends, and the
// session goes on with what it has.
func TestCancelTransfer(t *testing.T) {
	stripped := filepath.Join(t.TempDir(), "tour")
	if out, err := exec.Command("objcopy", "--strip-debug", program(t), stripped).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	gone := make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(64<<20))
		for { // a slow line: the end is not reached
			w.Write(make([]byte, 4<<10))
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				gone <- struct{}{}
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}))
	defer server.Close()
	t.Setenv("DEBUGINFOD_CACHE_PATH", t.TempDir())
	c := inProcess(t)
	config := config(t)
	config["program"], config["symbolPath"], config["stopAtEntry"] = stripped, "DebugInfoD*"+server.URL, true
	c.Start("launch", config, "")
	c.Stopped("entry")
	load := c.Send("evaluate", map[string]any{"expression": ".reload /f tour", "context": "repl"})
	begun := decode[dap.ProgressStartEventBody](t, c.Event("progressStart", nil))
	if !begun.Cancellable || !strings.HasPrefix(begun.Title, server.URL) {
		t.Errorf("progress %+v", begun)
	}
	c.Do("cancel", map[string]any{"progressId": begun.ProgressId}, nil)
	<-gone
	c.Event("progressEnd", func(m *dapclient.Message) bool {
		return decode[dap.ProgressEndEventBody](t, m).ProgressId == begun.ProgressId
	})
	if _, err := c.Answer(load); err != nil {
		t.Fatal(err)
	}
	if lm := c.Command("lm m tour"); !strings.Contains(lm, "(service symbols: ELF Export Symbols)") {
		t.Errorf("lm: %s", lm)
	}
	if x := c.Command("x tour!main"); !strings.Contains(x, "tour!main") {
		t.Errorf("x: %s", x)
	}
	c.Disconnect(nil)
}
