package linuxkernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"dap-windbg/arch"
	"dap-windbg/symbols"
	"dap-windbg/targets"
)

// This file reads what the kernel tells tools for crash dumps: an ELF note in physical
// memory, lines of NAME=value (Documentation/admin-guide/kdump/vmcoreinfo.rst).

// coreInfo is what is taken from it.
type coreInfo struct {
	at      uint64 // physical, of the note
	release string
	buildID []byte
	slide   uint64 // KERNELOFFSET: 0 without KASLR
	text    uint64 // SYMBOL(_stext)
}

// maxCoreInfo is VMCOREINFO_BYTES, a page.
const maxCoreInfo = 4096

// parseCoreInfo reads the lines; false when they do not say where a kernel lies.
func parseCoreInfo(text []byte) (coreInfo, bool) {
	var c coreInfo
	placed := false
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n\x00"), "=")
		switch name {
		case "OSRELEASE":
			c.release = value
		case "BUILD-ID":
			c.buildID, _ = hex.DecodeString(value)
		case "KERNELOFFSET":
			n, err := strconv.ParseUint(value, 16, 64)
			c.slide, placed = n, err == nil
		case "SYMBOL(_stext)":
			c.text, _ = strconv.ParseUint(value, 16, 64)
		}
	}
	return c, placed && c.release != "" && c.text >= uint64(lowest) && c.text < uint64(highest)
}

// coreNote is the head of the note (elf(5), "Notes"): sizes of name and contents, type 0,
// the name. The kernel allocates it a page of its own.
var coreNote = []byte("\x0b\x00\x00\x00????\x00\x00\x00\x00VMCOREINFO\x00")

// noteSize is how long the contents of a note are, by the first bytes of a page.
func noteSize(p []byte) (int, bool) {
	if len(p) < len(coreNote) || !bytes.Equal(p[:4], coreNote[:4]) || !bytes.Equal(p[8:len(coreNote)], coreNote[8:]) {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(p[4:])
	return int(n), n > 0 && n <= maxCoreInfo
}

// Where the note is looked for: beyond what PCs keep for devices, and as far as that
// takes some seconds over a socket.
const (
	lowestNote  = 16 << 20
	highestNote = 1 << 30
	noteFlight  = 256 // pages that are looked at in one flight
)

// coreInfo finds the note in physical memory, a look at the head of each page.
func (f *finder) coreInfo() (coreInfo, bool) {
	reads := make([]*targets.MemoryRead, noteFlight)
	ops := make([]targets.Op, noteFlight)
	for at := uint64(lowestNote); at < highestNote && f.lost == nil && f.ctx.Err() == nil; at += noteFlight << 12 {
		for i := range reads {
			reads[i] = &targets.MemoryRead{Space: targets.Space{Physical: true}, Addr: arch.Addr(at + uint64(i)<<12), Data: make([]byte, len(coreNote))}
			ops[i] = reads[i]
		}
		if err := targets.Do(f.ctx, f.t, ops...); err != nil {
			f.note(err)
			return coreInfo{}, false
		}
		for _, r := range reads {
			if r.Err != nil {
				return coreInfo{}, false // the end of memory, or nobody reads it
			}
			n, ok := noteSize(r.Data)
			if !ok {
				continue
			}
			p := make([]byte, n)
			if f.physical(uint64(r.Addr)+24, p) != nil { // the name is padded to 12 bytes
				continue
			}
			if c, ok := parseCoreInfo(p); ok {
				c.at = uint64(r.Addr)
				return c, true
			}
		}
	}
	return coreInfo{}, false
}

// byCoreInfo makes a kernel of what the note says; an image of its build-id counts.
func (f *finder) byCoreInfo() *Kernel {
	c, ok := f.coreInfo()
	if !ok {
		return nil
	}
	const how = "its vmcoreinfo"
	k := &Kernel{Base: arch.Addr(c.text) &^ (grain - 1), Release: c.release, BuildID: c.buildID, How: how}
	for _, img := range f.images(c.release) {
		if id := img.Key().BuildID; id != nil && bytes.Equal(id, c.buildID) {
			f.adopt(k, img, c.slide)
			break
		}
	}
	return k
}

// adopt gives k the image that it was found to be.
func (f *finder) adopt(k *Kernel, img symbols.Image, slide uint64) {
	k.Base, k.Slide, k.Size, k.Path = arch.Addr(img.LinkBase()+slide), slide, img.Size(), img.Path()
	if at, ok := linked(img, "linux_banner"); ok {
		k.setBanner(f.text(arch.Addr(at+slide), maxBanner))
		if k.Banner != "" {
			k.bannerAt = arch.Addr(at + slide)
		}
	}
}

// disagrees says in what a kernel that was found differs from what it says of itself, "" nothing.
func (c coreInfo) disagrees(k *Kernel) string {
	switch {
	case len(c.buildID) > 0 && len(k.BuildID) > 0 && !bytes.Equal(c.buildID, k.BuildID):
		return "build-id " + hex.EncodeToString(c.buildID)
	case arch.Addr(c.text)&^(grain-1) != k.Base:
		return "_stext at " + address(arch.Addr(c.text))
	case k.Path != "" && c.slide != k.Slide:
		return "a slide of 0x" + strconv.FormatUint(c.slide, 16)
	}
	return ""
}

// showCoreInfo tells what the kernel says of where it lies: by its own variable, or with
// a search of physical memory.
func showCoreInfo(c *command, k *Kernel, search bool) error {
	var info coreInfo
	var ok bool
	if search {
		f := &finder{ctx: c.ctx, t: c.w.Target(), s: c.s}
		if info, ok = f.coreInfo(); f.lost != nil {
			return f.lost
		}
		if !ok {
			return failed("no vmcoreinfo note lies in physical memory up to 0x%x, as far as it can be read", uint64(highestNote))
		}
		c.printf("vmcoreinfo note at physical address 0x%x\n", info.at)
	} else {
		at, known := c.lookup("vmcoreinfo_data")
		size, known2 := c.lookup("vmcoreinfo_size")
		if !known || !known2 {
			return nil // CONFIG_CRASH_CORE is not set
		}
		data, n := c.pointer(at), c.uint(size, 8)
		if data == 0 || n == 0 || n > maxCoreInfo || c.stuck() {
			return nil // it is written late in the kernel's start
		}
		p := make([]byte, n)
		if !c.read(data, p) {
			return nil
		}
		info, ok = parseCoreInfo(p)
	}
	switch {
	case !ok:
		c.printf("vmcoreinfo does not tell where the kernel lies\n")
	case info.disagrees(k) != "":
		c.printf("vmcoreinfo disagrees: it has %s\n", info.disagrees(k))
	default:
		c.printf("vmcoreinfo agrees: KERNELOFFSET=%x, build-id %x\n", info.slide, info.buildID)
	}
	return nil
}
