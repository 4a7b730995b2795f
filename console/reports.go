package console

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"dap-windbg/report"
)

// forms are the files of a report.
var forms = []struct {
	name  string
	write func(io.Writer, *report.Run) error
}{
	{"report.txt", report.WriteText},
	{"report.json", report.WriteJSON},
	{"junit.xml", report.WriteJUnit},
	{"annotations.txt", func(w io.Writer, r *report.Run) error { return report.WriteAnnotations(w, r, sourceRoot()) }},
}

// sourceRoot is what the paths of annotations are shown relative to.
func sourceRoot() string {
	if root := os.Getenv("GITHUB_WORKSPACE"); root != "" {
		return root
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}

// file is the path of a file of the report.
func (r *runner) file(name string) string { return filepath.Join(r.o.Report, name) }

// write puts the report where it was asked for: the last line to people, JSON to the
// standard output, annotations where GitHub reads them, files. What one place does not
// take, the others get all the same.
func (r *runner) write(o Options, stdout io.Writer) error {
	err := report.WriteSummary(r.stderr, &r.report)
	if o.JSON {
		err = errors.Join(err, report.WriteJSON(stdout, &r.report))
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		err = errors.Join(err, report.WriteAnnotations(r.stdout, &r.report, sourceRoot()))
	}
	if o.Report == "" {
		return err
	}
	if failed := os.MkdirAll(o.Report, 0o755); failed != nil {
		return errors.Join(err, failed)
	}
	for _, f := range forms {
		err = errors.Join(err, writeFile(filepath.Join(o.Report, f.name), func(w io.Writer) error { return f.write(w, &r.report) }))
	}
	return err
}

// writeFile makes a file that is whole or not there.
func writeFile(name string, write func(io.Writer) error) error {
	dir, base := filepath.Split(name)
	f, err := os.OpenFile(fmt.Sprintf("%s.%s-%016x", dir, base, rand.Uint64()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666) // less what the user's umask takes
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // without effect once it has its name
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
