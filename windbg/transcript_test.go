package windbg

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the transcripts anew")

// TestTranscripts runs the commands of testdata/*.txt (lines that begin with the
// prompt) over the stage and compares what is shown.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := transcript(t, string(want))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("%s", difference(string(want), got))
			}
		})
	}
}

// transcript runs the commands of a transcript and returns the transcript they make.
func transcript(t *testing.T, text string) string {
	i, _ := play(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out bytes.Buffer
	for l := range strings.Lines(text) {
		_, cmd, ok := strings.Cut(strings.TrimRight(l, "\n"), "> ")
		if !ok || !strings.HasPrefix(l, "0:0") && !strings.HasPrefix(l, "NoTarget") {
			continue
		}
		fmt.Fprintf(&out, "%s%s\n", i.Prompt(ctx), cmd)
		i.Exec(ctx, cmd, &out)
	}
	return out.String()
}

// difference shows the first line that differs.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for k := range max(len(w), len(g)) {
		a, b := "<end>", "<end>"
		if k < len(w) {
			a = w[k]
		}
		if k < len(g) {
			b = g[k]
		}
		if a != b {
			return fmt.Sprintf("line %d\nwant %q\n got %q", k+1, a, b)
		}
	}
	return ""
}
