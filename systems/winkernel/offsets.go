package winkernel

import "dap-windbg/arch"

// Offsets in the debugger data block (wdbgexts.h, KDDEBUGGER_DATA64), bytes.
const (
	kdTag              = 16
	kdSize             = 20
	kdKernBase         = 24
	kdPae              = 54 // bit 0
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
	"_KPRCB.NextThread":                          {off: 0x10, size: 8},
	"_KPCR.IdtBase":                              {off: 0x38, size: 8},
	"_KPCR.GdtBase":                              {off: 0, size: 8},
	"_KPCR.TssBase":                              {off: 8, size: 8},
	"_KPCR.Irql":                                 {off: 0x50, size: 1},
	"_PEB.ImageBaseAddress":                      {off: 0x10, size: 8},
	"_PEB.Ldr":                                   {off: 0x18, size: 8},
	"_PEB.ProcessParameters":                     {off: 0x20, size: 8},
	"_PEB.BeingDebugged":                         {off: 2, size: 1},
	"_PEB.SessionId":                             {off: 0x2c0, size: 4},
	"_PEB_LDR_DATA.InLoadOrderModuleList":        {off: 0x10, size: 16},
	"_RTL_USER_PROCESS_PARAMETERS.ImagePathName": {off: 0x60, size: 16},
	"_RTL_USER_PROCESS_PARAMETERS.CommandLine":   {off: 0x70, size: 16},
	"_DRIVER_OBJECT.DeviceObject":                {off: 0x08, size: 8},
	"_DRIVER_OBJECT.DriverStart":                 {off: 0x18, size: 8},
	"_DRIVER_OBJECT.DriverSize":                  {off: 0x20, size: 4},
	"_DRIVER_OBJECT.DriverName":                  {off: 0x38, size: 16},
	"_DRIVER_OBJECT.DriverInit":                  {off: 0x58, size: 8},
	"_DRIVER_OBJECT.DriverStartIo":               {off: 0x60, size: 8},
	"_DRIVER_OBJECT.DriverUnload":                {off: 0x68, size: 8},
	"_DRIVER_OBJECT.MajorFunction":               {off: 0x70, size: 28 * 8},
	"_DRIVER_OBJECT.Type":                        {off: 0, size: 2},
	"_DRIVER_OBJECT.Flags":                       {off: 0x10, size: 4},
	"_DEVICE_OBJECT.Type":                        {off: 0, size: 2},
	"_DEVICE_OBJECT.ReferenceCount":              {off: 4, size: 4},
	"_DEVICE_OBJECT.DriverObject":                {off: 8, size: 8},
	"_DEVICE_OBJECT.NextDevice":                  {off: 0x10, size: 8},
	"_DEVICE_OBJECT.AttachedDevice":              {off: 0x18, size: 8},
	"_DEVICE_OBJECT.CurrentIrp":                  {off: 0x20, size: 8},
	"_DEVICE_OBJECT.Flags":                       {off: 0x30, size: 4},
	"_DEVICE_OBJECT.Characteristics":             {off: 0x34, size: 4},
	"_DEVICE_OBJECT.DeviceExtension":             {off: 0x40, size: 8},
	"_DEVICE_OBJECT.DeviceType":                  {off: 0x48, size: 4},
	"_OBJECT_HEADER.PointerCount":                {off: 0, size: 8},
	"_OBJECT_HEADER.HandleCount":                 {off: 8, size: 8},
	"_OBJECT_HEADER.TypeIndex":                   {off: 0x18, size: 1},
	"_OBJECT_HEADER.InfoMask":                    {off: 0x1a, size: 1},
	"_OBJECT_HEADER.Body":                        {off: 0x30, size: 8},
	"_OBJECT_HEADER_NAME_INFO.Directory":         {off: 0, size: 8},
	"_OBJECT_HEADER_NAME_INFO.Name":              {off: 8, size: 16},
	"_OBJECT_TYPE.Name":                          {off: 0x10, size: 16},
	"_OBJECT_DIRECTORY.HashBuckets":              {off: 0, size: 37 * 8},
	"_OBJECT_DIRECTORY_ENTRY.ChainLink":          {off: 0, size: 8},
	"_OBJECT_DIRECTORY_ENTRY.Object":             {off: 8, size: 8},
}

// name is a member under one of its names.
type name struct{ typ, path string }

// others are the names that members have in other kernels, and on x86: ReactOS has the
// whole control region in KIPCR, Windows before 8 the owner of a thread in ETHREAD.
var others = map[string][]name{
	"_KPCR.Prcb":                        {{"_KIPCR", "Prcb"}},
	"_KPCR.Self":                        {{"_KIPCR", "Self"}},
	"_KPCR.CurrentPrcb":                 {{"_KIPCR", "CurrentPrcb"}},
	"_KPCR.IdtBase":                     {{"_KIPCR", "IdtBase"}},
	"_KPCR.GdtBase":                     {{"_KIPCR", "GdtBase"}},
	"_KPCR.TssBase":                     {{"_KIPCR", "TssBase"}},
	"_KPCR.Irql":                        {{"_KIPCR", "Irql"}},
	"_KTHREAD.Process":                  {{"_ETHREAD", "ThreadsProcess"}},
	"_ETHREAD.Win32StartAddress":        {{"_ETHREAD", "StartAddress"}},
	"_KPRCB.ReadySummary":               {{"_KPRCB", "DispatcherReadySummary"}},
	"_OBJECT_HEADER.PointerCount":       {{"_OBJECT_HEADER", "PointerCountLow"}},
	"_ERESOURCE.OwnerEntry.OwnerThread": {{"_ERESOURCE", "OwnerThreads.OwnerThread"}},
}

// narrows replaces names on x86, where Prcb is a pointer to PrcbData.
var narrows = map[string][]name{
	"_KPCR.Prcb":        {{"_KPCR", "PrcbData"}, {"_KIPCR", "PrcbData"}},
	"_KPCR.Self":        {{"_KPCR", "SelfPcr"}, {"_KPCR", "Self"}, {"_KIPCR", "Self"}},
	"_KPCR.CurrentPrcb": {{"_KPCR", "Prcb"}, {"_KIPCR", "Prcb"}},
	"_KPCR.IdtBase":     {{"_KPCR", "IDT"}, {"_KIPCR", "IDT"}},
	"_KPCR.GdtBase":     {{"_KPCR", "GDT"}, {"_KIPCR", "GDT"}},
	"_KPCR.TssBase":     {{"_KPCR", "TSS"}, {"_KIPCR", "TSS"}},
}

// named are the names to look for a member by.
func (s *System) named(typ, path string) []name {
	key := typ + "." + path
	if n, ok := narrows[key]; ok && s.width() == 4 {
		return n
	}
	return append([]name{{typ, path}}, others[key]...)
}

// kernelSpace reports whether an address lies in the upper half.
func (s *System) kernelSpace(v uint64) bool {
	if s.width() == 4 {
		return v>>31&1 == 1
	}
	return v>>63 == 1
}

// address is one as the kernel has it; of 32 bits it may come sign-extended.
func (s *System) address(v uint64) arch.Addr {
	if s.width() == 4 {
		v &= 1<<32 - 1
	}
	return arch.Addr(v)
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
		size := f.size
		if size == 8 {
			size = s.width()
		}
		return member{off: arch.Addr(off), size: size}, off != 0
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
			"_EPROCESS.ActiveProcessLinks": {off: b.links, size: 16}, "_EPROCESS.UniqueProcessId": {off: b.pid, size: 8}, "_EPROCESS.Peb": {off: b.peb, size: 8},
			"_EPROCESS.ImageFileName": {off: b.name, size: 15}, "_EPROCESS.VadRoot": {off: b.vad, size: 8}, "_EPROCESS.ThreadListHead": {off: b.threads, size: 16},
			"_ETHREAD.ThreadListEntry": {off: b.threadLinks, size: 16}, "_ETHREAD.Win32StartAddress": {off: b.start, size: 8},
			"_ETHREAD.Cid.UniqueProcess": {off: b.cid, size: 8}, "_ETHREAD.Cid.UniqueThread": {off: b.cid + 8, size: 8},
			"_EPROCESS.Pcb.DirectoryTableBase": {off: 0x28, size: 8},
		}[key]
		return m, ok
	}
	return member{}, false
}
