// Package line opens the lines that kernels are debugged over: serial devices,
// pseudo terminals, pipes of virtual machines, sockets. A line is a stream of
// bytes; what is spoken on it is not known here.
//
// What a line does not promise: that it is there yet (a virtual machine makes its
// pipe when it starts), that it stays (the pipe goes at a reboot), that bytes arrive
// as they were sent (see targets/kd on terminals). A Keeper opens a line again by
// itself.
//
// The ladder: a new way to reach a line is a case of Open in line.go.
package line
