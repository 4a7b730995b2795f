package winkernel

import "dap-windbg/arch"

// Offsets in the debugger data block (wdbgexts.h, KDDEBUGGER_DATA64), bytes.
const (
	kdTag              = 16
	kdSize             = 20
	kdKernBase         = 24
	kdModules          = 72
	kdProcesses        = 80
	kdSystemResources  = 96
	kdBugcheckData     = 136
	kdRootDirectory    = 152
	kdPrintStart       = 480
	kdPrintEnd         = 488
	kdPrintWrite       = 496
	kdPrintRollover    = 504
	kdBuildLab         = 520
	kdProcessorBlock   = 536
	kdUnloadedDrivers  = 544
	kdLastUnloaded     = 552
	kdPrcbProcState    = 700
	kdSpecialRegisters = 754
	kdPteBase          = 864
)

// blockFields are members whose offsets the data block tells itself: where in it a
// 16-bit (or, marked, 32-bit) offset stands, and how long the member is.
var blockFields = map[string]struct {
	at, size int
	wide     bool
}{
	"_KTHREAD.NextProcessor":                   {664, 4, false},
	"_KTHREAD.Teb":                             {666, 8, false},
	"_KTHREAD.KernelStack":                     {668, 8, false},
	"_KTHREAD.InitialStack":                    {670, 8, false},
	"_KTHREAD.ApcState.Process":                {672, 8, false},
	"_KTHREAD.State":                           {674, 1, false},
	"_KTHREAD.WaitReason":                      {860, 1, false},
	"_KTHREAD.StackLimit":                      {832, 8, true},
	"_KTHREAD.StackBase":                       {836, 8, true},
	"_EPROCESS.Peb":                            {682, 8, false},
	"_EPROCESS.InheritedFromUniqueProcessId":   {684, 8, false},
	"_EPROCESS.Pcb.DirectoryTableBase":         {686, 8, false},
	"_KPRCB.CurrentThread":                     {692, 8, false},
	"_KPRCB.MHz":                               {694, 4, false},
	"_KPRCB.Number":                            {702, 4, false},
	"_KPRCB.IdleThread":                        {848, 8, false},
	"_KPRCB.ProcessorState.ContextFrame":       {700, 0x4d0, false},
	"_KPRCB.ProcessorState.SpecialRegisters":   {700, 0xe0, false},
	"_KPRCB.DpcRoutineActive":                  {690, 1, false},
	"_KPCR.Self":                               {738, 8, false},
	"_KPCR.CurrentPrcb":                        {740, 8, false},
	"_KPCR.Prcb":                               {742, 8, false},
	"_KPRCB.ProcessorState":                    {700, 0x5b0, false},
	"_KPRCB.Context":                           {824, 8, false},
	"_KDDEBUGGER_DATA64.MaxBreakpoints":        {826, 2, false},
	"_KDDEBUGGER_DATA64.MaxWatchpoints":        {828, 2, false},
	"_KDDEBUGGER_DATA64.SizeEThread":           {704, 2, false},
	"_KDDEBUGGER_DATA64.SizeEProcess":          {680, 2, false},
	"_KDDEBUGGER_DATA64.OffsetPrcbCpuType":     {696, 2, false},
	"_KDDEBUGGER_DATA64.OffsetPrcbVendor":      {698, 2, false},
	"_KDDEBUGGER_DATA64.OffsetSpecialRegister": {754, 2, false},
}

// buildFields are offsets of x64 builds, which no block tells (from the structures'
// public descriptions); the row of the highest build that is not above applies.
var buildFields = []struct {
	build                                                        int
	links, pid, peb, name, vad, threads, threadLinks, start, cid arch.Addr
}{
	{7600, 0x188, 0x180, 0x338, 0x2e0, 0x448, 0x308, 0x420, 0x410, 0x3b0},
	{9200, 0x2e8, 0x2e0, 0x3e8, 0x438, 0x590, 0x470, 0x400, 0x3f0, 0x398},
	{9600, 0x2e8, 0x2e0, 0x3e8, 0x438, 0x5d8, 0x470, 0x688, 0x678, 0x620},
	{14393, 0x2f0, 0x2e8, 0x3f8, 0x450, 0x620, 0x488, 0x698, 0x688, 0x630},
	{17134, 0x2e8, 0x2e0, 0x3f8, 0x450, 0x628, 0x488, 0x6a8, 0x690, 0x638},
	{18362, 0x2f0, 0x2e8, 0x3f8, 0x450, 0x658, 0x488, 0x6b8, 0x6a0, 0x648},
	{19041, 0x448, 0x440, 0x550, 0x5a8, 0x7d8, 0x5e0, 0x4e8, 0x4d0, 0x478},
}

// fixedFields have been where they are since 64-bit Windows began (wdm.h, winnt.h and
// the public descriptions of the loader's data).
var fixedFields = map[string]member{
	"_KPRCB.NextThread":                          {0x10, 8},
	"_KPCR.IdtBase":                              {0x38, 8},
	"_KPCR.GdtBase":                              {0, 8},
	"_KPCR.TssBase":                              {8, 8},
	"_KPCR.Irql":                                 {0x50, 1},
	"_PEB.ImageBaseAddress":                      {0x10, 8},
	"_PEB.Ldr":                                   {0x18, 8},
	"_PEB.ProcessParameters":                     {0x20, 8},
	"_PEB.BeingDebugged":                         {2, 1},
	"_PEB.SessionId":                             {0x2c0, 4},
	"_PEB_LDR_DATA.InLoadOrderModuleList":        {0x10, 16},
	"_RTL_USER_PROCESS_PARAMETERS.ImagePathName": {0x60, 16},
	"_RTL_USER_PROCESS_PARAMETERS.CommandLine":   {0x70, 16},
	"_DRIVER_OBJECT.DeviceObject":                {0x08, 8},
	"_DRIVER_OBJECT.DriverStart":                 {0x18, 8},
	"_DRIVER_OBJECT.DriverSize":                  {0x20, 4},
	"_DRIVER_OBJECT.DriverName":                  {0x38, 16},
	"_DRIVER_OBJECT.DriverInit":                  {0x58, 8},
	"_DRIVER_OBJECT.DriverStartIo":               {0x60, 8},
	"_DRIVER_OBJECT.DriverUnload":                {0x68, 8},
	"_DRIVER_OBJECT.MajorFunction":               {0x70, 28 * 8},
	"_DRIVER_OBJECT.Type":                        {0, 2},
	"_DRIVER_OBJECT.Flags":                       {0x10, 4},
	"_DEVICE_OBJECT.Type":                        {0, 2},
	"_DEVICE_OBJECT.ReferenceCount":              {4, 4},
	"_DEVICE_OBJECT.DriverObject":                {8, 8},
	"_DEVICE_OBJECT.NextDevice":                  {0x10, 8},
	"_DEVICE_OBJECT.AttachedDevice":              {0x18, 8},
	"_DEVICE_OBJECT.CurrentIrp":                  {0x20, 8},
	"_DEVICE_OBJECT.Flags":                       {0x30, 4},
	"_DEVICE_OBJECT.Characteristics":             {0x34, 4},
	"_DEVICE_OBJECT.DeviceExtension":             {0x40, 8},
	"_DEVICE_OBJECT.DeviceType":                  {0x48, 4},
	"_OBJECT_HEADER.PointerCount":                {0, 8},
	"_OBJECT_HEADER.HandleCount":                 {8, 8},
	"_OBJECT_HEADER.TypeIndex":                   {0x18, 1},
	"_OBJECT_HEADER.InfoMask":                    {0x1a, 1},
	"_OBJECT_HEADER.Body":                        {0x30, 8},
	"_OBJECT_HEADER_NAME_INFO.Directory":         {0, 8},
	"_OBJECT_HEADER_NAME_INFO.Name":              {8, 16},
	"_OBJECT_TYPE.Name":                          {0x10, 16},
	"_OBJECT_DIRECTORY.HashBuckets":              {0, 37 * 8},
	"_OBJECT_DIRECTORY_ENTRY.ChainLink":          {0, 8},
	"_OBJECT_DIRECTORY_ENTRY.Object":             {8, 8},
}

// fallback finds a member without types.
func (s *System) fallback(typ, path string) (member, bool) {
	key := typ + "." + path
	k := s.kernel
	if k == nil {
		return member{}, false
	}
	if f, ok := blockFields[key]; ok && k.block != nil {
		off := uint64(k.block.u16(f.at))
		if f.wide {
			off = uint64(k.block.u32(f.at))
		}
		// 0 is where no such member can be; all but the first of a structure.
		return member{arch.Addr(off), f.size}, off != 0
	}
	if s.width() != 8 {
		return member{}, false
	}
	if m, ok := fixedFields[key]; ok {
		return m, true
	}
	return byBuild(k.Build, key)
}

func byBuild(build int, key string) (member, bool) {
	for i := len(buildFields) - 1; i >= 0; i-- {
		b := buildFields[i]
		if b.build > build {
			continue
		}
		m, ok := map[string]member{
			"_EPROCESS.ActiveProcessLinks": {b.links, 16}, "_EPROCESS.UniqueProcessId": {b.pid, 8}, "_EPROCESS.Peb": {b.peb, 8},
			"_EPROCESS.ImageFileName": {b.name, 15}, "_EPROCESS.VadRoot": {b.vad, 8}, "_EPROCESS.ThreadListHead": {b.threads, 16},
			"_ETHREAD.ThreadListEntry": {b.threadLinks, 16}, "_ETHREAD.Win32StartAddress": {b.start, 8},
			"_ETHREAD.Cid.UniqueProcess": {b.cid, 8}, "_ETHREAD.Cid.UniqueThread": {b.cid + 8, 8},
			"_EPROCESS.Pcb.DirectoryTableBase": {0x28, 8},
		}[key]
		return m, ok
	}
	return member{}, false
}
