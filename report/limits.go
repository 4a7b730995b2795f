package report

// Limits of a report. What goes beyond is counted in Omitted.
const (
	maxThreads    = 128  // with a stack
	maxFrames     = 64   // of a stack from its top,
	maxTail       = 16   // and from its bottom
	maxUnwound    = 4096 // frames looked at for the bottom
	maxScopes     = 24   // frames with variables in the thread that crashed,
	maxOthers     = 6    // and in the others
	maxVariables  = 2000 // of a process, members included
	maxMembers    = 16   // of one variable
	maxDepth      = 3    // of members of members
	maxValue      = 240  // runes of a value
	maxModules    = 400
	maxProcesses  = 50       // with a report; more are only counted
	maxCaptured   = 64 << 10 // bytes of a program's output that are kept, the last ones
	memoryBefore  = 64       // bytes around an address
	memoryAfter   = 128
	sourceAround  = 3
	maxCommand    = 400 // runes of a command line
	maxAnnotation = 30  // annotations
)
