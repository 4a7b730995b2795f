package symbols

// SourceSum is a checksum of a source file as the compiler read it.
type SourceSum struct {
	Kind string // "MD5", "SHA1", "SHA256"
	Sum  []byte
}

// SourceSums is an Image that tells what its sources were, so that another text of the
// same name is noticed.
type SourceSums interface {
	// SourceSum is that of a path as the compiler recorded it; false when it is not told.
	SourceSum(file string) (SourceSum, bool)
}
