// Package remote is the room of everything that crosses a machine's border between two
// programs of ours. It holds no code itself:
//
//   - transport carries streams between two of us: who may connect, over what, in
//     which frames;
//   - line opens serial devices, pipes and sockets, and opens them again;
//   - dbgsrv is the process server: processes of its machine for debuggers elsewhere;
//   - kdsrv is the KD connection server: lines of its machine, likewise;
//   - share is one debug session for several people, over the session's engine.
//
// What stands here must not know launch or a front end, and the servers not even the
// engine: they have no session of their own. launch and cmd put the parts together.
//
// The ladder for a new server: a service name and kinds of streams in a package of its
// own, served over transport.Conn, then one row in launch for the client's string.
package remote
