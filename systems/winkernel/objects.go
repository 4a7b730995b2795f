package winkernel

import (
	"fmt"
	"iter"
	"strings"

	"dap-windbg/arch"
)

var objectRows = []row{
	{"!object", `!object {Address | \Path}`, "an object of the object manager, a directory with what it holds", (*call).object},
	{"!drvobj", "!drvobj {Driver | Address} [Flags]", "a driver object; flags 1 devices, 2 dispatch routines", (*call).drvobj},
	{"!devobj", "!devobj {Device | Address}", "a device object", (*call).devobj},
	{"!devstack", "!devstack {Device | Address}", "the device objects attached above a device", (*call).devstack},
	{"!unloaded", "!unloaded", "the drivers that the kernel remembers to have gone", (*call).unloadedCommand},
}

// object types that commands look up by name.
const (
	driverFolder = `\Driver\`
	deviceFolder = `\Device\`
)

// children walks what a directory holds.
func (r *reader) children(dir arch.Addr) iter.Seq[arch.Addr] {
	return func(yield func(arch.Addr) bool) {
		const buckets = 37
		heads := r.at(dir, "_OBJECT_DIRECTORY", "HashBuckets")
		r.read(heads, make([]byte, buckets*r.s.width()))
		for i := range buckets {
			at := r.pointer(heads + arch.Addr(i*r.s.width()))
			for n := 0; at != 0 && n < maxList && !r.stuck(); n++ {
				if !yield(arch.Addr(r.get(at, "_OBJECT_DIRECTORY_ENTRY", "Object"))) {
					return
				}
				at = arch.Addr(r.get(at, "_OBJECT_DIRECTORY_ENTRY", "ChainLink"))
			}
		}
	}
}

// header is the OBJECT_HEADER before an object.
func (r *reader) objectHeader(object arch.Addr) arch.Addr {
	return object - r.at(0, "_OBJECT_HEADER", "Body")
}

// nameInfo is where an object's name lies, 0 for none: a header before the header, so far
// as the header says (before Windows 7) or as ObpInfoMaskToOffset places it.
func (r *reader) nameInfo(object arch.Addr) arch.Addr {
	h := r.objectHeader(object)
	if off, ok := r.try(h, "_OBJECT_HEADER", "NameInfoOffset"); ok {
		if off == 0 {
			return 0
		}
		return h - arch.Addr(off)
	}
	const creator, name = 1, 2
	mask := r.get(h, "_OBJECT_HEADER", "InfoMask")
	if mask&name == 0 || r.stuck() {
		return 0
	}
	off := arch.Addr(0x20)
	if mask&creator != 0 {
		off += 0x20
	}
	if table, ok := r.symbol("ObpInfoMaskToOffset"); ok {
		if v := r.uint(table+arch.Addr(mask&(creator|name)), 1); v != 0 {
			off = arch.Addr(v)
		}
	}
	return h - off
}

// objectName is an object's own name, "" for none.
func (r *reader) objectName(object arch.Addr) string {
	at := r.nameInfo(object)
	if at == 0 || r.stuck() {
		return ""
	}
	return r.unicode(r.at(at, "_OBJECT_HEADER_NAME_INFO", "Name"))
}

// objectType is the name of an object's type. The index is hidden in Windows 10 by the
// address and a cookie.
func (r *reader) objectType(object arch.Addr) string {
	t := r.typeAddress(object)
	if t == 0 || r.stuck() {
		return ""
	}
	return r.unicode(r.at(t, "_OBJECT_TYPE", "Name"))
}

// typeAddress is the OBJECT_TYPE of an object: the header points to it before Windows 7,
// and has its index in a table since.
func (r *reader) typeAddress(object arch.Addr) arch.Addr {
	h := r.objectHeader(object)
	if t, ok := r.try(h, "_OBJECT_HEADER", "Type"); ok {
		return arch.Addr(t)
	}
	index := r.get(h, "_OBJECT_HEADER", "TypeIndex")
	if cookie, ok := r.symbol("ObHeaderCookie"); ok {
		index ^= r.uint(cookie, 1) ^ uint64(h)>>8&0xff
	}
	table, ok := r.symbol("ObTypeIndexTable")
	if !ok || r.stuck() {
		return 0
	}
	return r.pointer(table + arch.Addr(int(index)*r.s.width()))
}

// NoObjectError: the object manager has no such name.
type NoObjectError struct{ Path string }

func (e *NoObjectError) Error() string { return "Object " + e.Path + " not found" }

// Hint says what the user can do.
func (e *NoObjectError) Hint() string { return `!object \ lists the root directory` }

// resolve finds an object by its path.
func (r *reader) resolve(path string) (arch.Addr, error) {
	at, ok := r.variable(kdRootDirectory, "ObpRootDirectoryObject")
	if !ok {
		return 0, &FieldError{"the object manager", "ObpRootDirectoryObject"}
	}
	object := r.pointer(at)
	for _, name := range strings.Split(strings.Trim(path, `\`), `\`) {
		if name == "" {
			continue
		}
		next := arch.Addr(0)
		for o := range r.children(object) {
			if strings.EqualFold(r.objectName(o), name) {
				next = o
				break
			}
		}
		if r.stuck() {
			return 0, r.end()
		}
		if next == 0 {
			return 0, &NoObjectError{path}
		}
		object = next
	}
	return object, r.end()
}

// named finds an object by name in a folder first, then as an expression.
func (c *call) named(folder string) (arch.Addr, error) {
	if len(c.words) == 0 {
		return 0, c.usage("")
	}
	name := c.words[0]
	path := name
	if !strings.HasPrefix(name, `\`) {
		path = folder + name
	}
	at, err := c.resolve(path)
	if err == nil {
		return at, nil
	}
	if v, bad := c.number(0, 0); bad == nil && c.s.kernelSpace(v) {
		c.reader.err = nil
		return c.s.address(v), nil
	}
	return 0, err
}

func (c *call) object() error {
	if len(c.words) == 0 {
		return c.usage("")
	}
	var at arch.Addr
	var err error
	if strings.HasPrefix(c.words[0], `\`) {
		at, err = c.resolve(strings.TrimSpace(c.args))
	} else {
		var v uint64
		v, err = c.number(0, 0)
		at = c.s.address(v)
	}
	if err != nil {
		return err
	}
	h := c.objectHeader(at)
	kind := c.objectType(at)
	c.printf("Object: %s  Type: (%s) %s\n    ObjectHeader: %s (new version)\n", hex(c.s, at), hex(c.s, c.typeAddress(at)), kind, hex(c.s, h))
	c.printf("    HandleCount: %d  PointerCount: %d\n", c.get(h, "_OBJECT_HEADER", "HandleCount"), c.get(h, "_OBJECT_HEADER", "PointerCount"))
	c.writeName(at)
	if kind == "Directory" {
		c.writeDirectory(at)
	}
	return c.end()
}

func (c *call) writeName(object arch.Addr) {
	name := c.objectName(object)
	if name == "" {
		return
	}
	c.printf("    Directory Object: %s  Name: %s\n", hex(c.s, c.get(c.nameInfo(object), "_OBJECT_HEADER_NAME_INFO", "Directory")), name)
}

func (c *call) writeDirectory(at arch.Addr) {
	c.printf("\n    Hash Address          Type          Name\n    ---- -------          ----          ----\n")
	for o := range c.children(at) {
		c.printf("         %s %-13s %s\n", hex(c.s, o), c.objectType(o), c.objectName(o))
	}
}

// majors are the dispatch routines of a driver by number (wdm.h, IRP_MJ_x).
var majors = []string{"CREATE", "CREATE_NAMED_PIPE", "CLOSE", "READ", "WRITE", "QUERY_INFORMATION", "SET_INFORMATION", "QUERY_EA", "SET_EA",
	"FLUSH_BUFFERS", "QUERY_VOLUME_INFORMATION", "SET_VOLUME_INFORMATION", "DIRECTORY_CONTROL", "FILE_SYSTEM_CONTROL", "DEVICE_CONTROL",
	"INTERNAL_DEVICE_CONTROL", "SHUTDOWN", "LOCK_CONTROL", "CLEANUP", "CREATE_MAILSLOT", "QUERY_SECURITY", "SET_SECURITY", "POWER",
	"SYSTEM_CONTROL", "DEVICE_CHANGE", "QUERY_QUOTA", "SET_QUOTA", "PNP"}

const (
	driverType = 4 // IO_TYPE_DRIVER
	deviceType = 3 // IO_TYPE_DEVICE
)

func (c *call) drvobj() error {
	at, err := c.named(driverFolder)
	if err != nil {
		return err
	}
	flags, err := c.number(1, 1)
	if err != nil {
		return err
	}
	if kind := c.get(at, "_DRIVER_OBJECT", "Type"); kind != driverType {
		return fmt.Errorf("%s is no driver object: its type is %d", hex(c.s, at), kind)
	}
	c.printf("Driver object (%s) is for:\n %s\n", hex(c.s, at), c.unicode(c.at(at, "_DRIVER_OBJECT", "DriverName")))
	if flags&1 != 0 {
		c.printf("Driver Extension List: (id , addr)\n\nDevice Object list:\n")
		line := 0
		for d := arch.Addr(c.get(at, "_DRIVER_OBJECT", "DeviceObject")); d != 0 && line < maxList && !c.stuck(); line++ {
			c.printf("%s  ", hex(c.s, d))
			d = arch.Addr(c.get(d, "_DEVICE_OBJECT", "NextDevice"))
		}
		c.printf("\n")
	}
	if flags&2 != 0 {
		c.dispatch(at)
	}
	return c.end()
}

func (c *call) dispatch(at arch.Addr) {
	routine := func(label, path string) {
		v := arch.Addr(c.get(at, "_DRIVER_OBJECT", path))
		c.printf("%-13s %s\t%s\n", label, hex(c.s, v), c.Locate(v))
	}
	c.printf("\n")
	routine("DriverEntry:", "DriverInit")
	routine("DriverStartIo:", "DriverStartIo")
	routine("DriverUnload:", "DriverUnload")
	c.printf("\nDispatch routines:\n")
	table := c.at(at, "_DRIVER_OBJECT", "MajorFunction")
	for i, name := range majors {
		if v := c.pointer(table + arch.Addr(i*c.s.width())); v != 0 {
			c.printf("[%02x] %-35s %s\t%s\n", i, "IRP_MJ_"+name, hex(c.s, v), c.Locate(v))
		}
	}
}

func (c *call) devobj() error {
	at, err := c.named(deviceFolder)
	if err != nil {
		return err
	}
	if kind := c.get(at, "_DEVICE_OBJECT", "Type"); kind != deviceType {
		return fmt.Errorf("%s is no device object: its type is %d", hex(c.s, at), kind)
	}
	driver := arch.Addr(c.get(at, "_DEVICE_OBJECT", "DriverObject"))
	c.printf("Device object (%s) is for:\n %s %s DriverObject %s\n", hex(c.s, at), c.objectName(at), c.unicode(c.at(driver, "_DRIVER_OBJECT", "DriverName")), hex(c.s, driver))
	c.printf("Current Irp %s RefCount %d Type %08x Flags %08x\n", hex(c.s, c.get(at, "_DEVICE_OBJECT", "CurrentIrp")), c.get(at, "_DEVICE_OBJECT", "ReferenceCount"),
		c.get(at, "_DEVICE_OBJECT", "DeviceType"), c.get(at, "_DEVICE_OBJECT", "Flags"))
	c.printf("DevExt %s\nCharacteristics (0x%08x)\n", hex(c.s, c.get(at, "_DEVICE_OBJECT", "DeviceExtension")), c.get(at, "_DEVICE_OBJECT", "Characteristics"))
	if up := c.get(at, "_DEVICE_OBJECT", "AttachedDevice"); up != 0 {
		c.printf("AttachedDevice (Upper) %s\n", hex(c.s, up))
	}
	c.printf("Device queue is not busy.\n")
	return c.end()
}

func (c *call) devstack() error {
	at, err := c.named(deviceFolder)
	if err != nil {
		return err
	}
	var above []arch.Addr
	for d := at; d != 0 && len(above) < maxNesting*8 && !c.stuck(); {
		above = append(above, d)
		d = arch.Addr(c.get(d, "_DEVICE_OBJECT", "AttachedDevice"))
	}
	c.printf("  !DevObj           !DrvObj            !DevExt           ObjectName\n")
	for i := len(above) - 1; i >= 0; i-- {
		d := above[i]
		mark := "  "
		if d == at {
			mark = "> "
		}
		driver := arch.Addr(c.get(d, "_DEVICE_OBJECT", "DriverObject"))
		c.printf("%s%s  %-18s %s  %s\n", mark, hex(c.s, d), c.unicode(c.at(driver, "_DRIVER_OBJECT", "DriverName")), hex(c.s, c.get(d, "_DEVICE_OBJECT", "DeviceExtension")), c.objectName(d))
	}
	return c.end()
}

func (c *call) unloadedCommand() error {
	rows := c.unloaded()
	c.printf("Unloaded modules:\n")
	for _, u := range rows {
		c.printf("%s %s   %s\n", tick(c.s, u.Start), tick(c.s, u.End), u.Name)
	}
	return c.end()
}
