package windbg

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"dap-windbg/targets"
)

// driverFiles is .kdfiles: which files the debuggee gets when it asks for a driver.
// A map is WinDbg's; the folder of the map is all that is served.
func driverFiles(ctx context.Context, c *call) error {
	path := strings.Trim(strings.TrimSpace(c.all()), `"`)
	folder, text := path, ""
	switch {
	case path == "":
		return c.syntax(0)
	case path == "-c":
		folder = ""
	default:
		if !filepath.IsAbs(path) && c.i.folder != "" {
			path = filepath.Join(c.i.folder, path)
		}
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		if folder = path; !fi.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			folder, text = filepath.Dir(path), string(b)
			if strings.TrimSpace(text) == "" {
				return &Error{Text: path + " maps nothing"}
			}
		}
	}
	q, err := c.queryer()
	if err == nil {
		err = q.Set(ctx, targets.DriverFiles, folder, []byte(text))
	}
	if err != nil {
		return c.refusedBy(err)
	}
	switch {
	case folder == "":
		c.printf("KD files are the debuggee's own\n")
	case text == "":
		c.printf("KD files are taken from %s by name\n", folder)
	default:
		c.printf("KD file associations loaded from '%s'\n", path)
	}
	return nil
}
