package store

import (
	"context"

	"dap-windbg/symbols"
)

// Image returns the file that holds the code of an image, of the build that key
// names when it names one. It is looked for where Find looks.
func (s *Store) Image(ctx context.Context, key symbols.Key) (string, error) {
	ctx, stop := s.cancellable(ctx)
	defer stop()
	q := s.search(ctx, key)
	if f := q.best((*file).hasCode, "has no code", q.imagePlaces()...); f != nil {
		return f.path, nil
	}
	return "", q.fail(key.String())
}
