//go:build !linux

package launch

// read waits for text; busy is held when there is some.
func (t *tap) read(buf []byte) (int, error) {
	n, err := t.file.Read(buf)
	if n > 0 {
		t.busy.Lock()
	}
	return n, err
}

func (*tap) waits() bool { return false }
