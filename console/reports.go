package console

import (
	"io"
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
// standard output, annotations where GitHub reads them, files.
func (r *runner) write(o Options, stdout io.Writer) error {
	if err := report.WriteSummary(r.stderr, &r.report); err != nil {
		return err
	}
	if o.JSON {
		if err := report.WriteJSON(stdout, &r.report); err != nil {
			return err
		}
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		if err := report.WriteAnnotations(r.stdout, &r.report, sourceRoot()); err != nil {
			return err
		}
	}
	if o.Report == "" {
		return nil
	}
	if err := os.MkdirAll(o.Report, 0o755); err != nil {
		return err
	}
	for _, f := range forms {
		if err := writeFile(filepath.Join(o.Report, f.name), func(w io.Writer) error { return f.write(w, &r.report) }); err != nil {
			return err
		}
	}
	return nil
}

// writeFile makes a file that is whole or not there.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // without effect once it has its name
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil && !os.IsPermission(err) {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
