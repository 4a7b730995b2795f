// Package transport connects two programs of ours: a server, which has something to
// give (processes, a line to a kernel, a debug session), and a client. A connection is
// authenticated, versioned and carries many streams; docs/protocol.md describes the
// bytes, docs/security.md what they are safe against.
//
// What it does not promise: that tcp, npipe and com hide or protect what follows the
// handshake. They show that both ends know the password, no more; ssl and spipe do the
// rest.
//
// It must not know what is served over it, nor launch or engine. The ladder: a new
// transport is a row of the table in network.go, how to listen and how to dial.
package transport
