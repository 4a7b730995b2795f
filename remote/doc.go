// Package remote is the room of everything that crosses a machine's border between two
// programs of ours. It holds no code itself:
//
//   - transport carries streams between two of us: who may connect, over what, in
//     which frames;
//   - dbgsrv is the process server: processes of its machine for debuggers elsewhere.
//
// What stands here must not know launch, engine or a front end: a server has no
// session of its own. launch and cmd put the parts together.
//
// The ladder for a new server: a service name and kinds of streams in a package of its
// own, served over transport.Conn, then one row in launch for the client's string.
package remote
