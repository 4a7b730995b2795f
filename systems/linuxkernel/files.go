package linuxkernel

import (
	"fmt"
	"iter"
	"strings"

	"dap-windbg/arch"
)

// This file shows mounts and open files, with their paths as the kernel prints them
// (fs/d_path.c).

var fileRows = []row{
	{"!mount", "!mount [Pattern]", "mounted file systems: device, path, type and flags", mounts},
	{"!files", "!files [Addr|PID]", "open files of a process; default the selected processor's", openFiles},
}

// mountFlags are MNT_* (include/linux/mount.h) as /proc/mounts spells them.
var mountFlags = []struct {
	bit  uint64
	name string
}{{1, "nosuid"}, {2, "nodev"}, {4, "noexec"}, {8, "noatime"}, {0x10, "nodiratime"}, {0x20, "relatime"}, {0x100, "nosymfollow"}}

const (
	mountReadOnly = 0x40 // MNT_READONLY
	superReadOnly = 1    // SB_RDONLY
)

func mounts(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	for at := range c.mounts() {
		line := c.mountLine(at)
		if c.stuck() {
			return nil
		}
		if len(c.args) == 0 || strings.Contains(line, strings.Trim(c.args[0], `"`)) {
			c.printf("%s  %s\n", address(at), line)
		}
	}
	return nil
}

// mounts walks the mounts of the first process's name space: a list until 6.7, a tree after.
func (r *reader) mounts() iter.Seq[arch.Addr] {
	proxy := arch.Addr(r.get(r.symbol("init_task"), "task_struct", "nsproxy"))
	space := arch.Addr(r.get(proxy, "nsproxy", "mnt_ns"))
	if _, ok := r.member("mnt_namespace", "list"); ok {
		return r.list(r.at(space, "mnt_namespace", "list"), "mount", "mnt_list")
	}
	return func(yield func(arch.Addr) bool) {
		node := r.field("mount", "mnt_node")
		for at := range r.redBlack(arch.Addr(r.get(space, "mnt_namespace", "mounts.rb_node"))) {
			if !yield(at - node.offset) {
				return
			}
		}
	}
}

// mountLine is "device path type flags".
func (r *reader) mountLine(at arch.Addr) string {
	super := arch.Addr(r.get(at, "mount", "mnt.mnt_sb"))
	typ := arch.Addr(r.get(super, "super_block", "s_type"))
	name := r.text(arch.Addr(r.get(typ, "file_system_type", "name")), 64)
	device := "none"
	if p := arch.Addr(r.get(at, "mount", "mnt_devname")); p != 0 {
		device = r.text(p, 256)
	}
	flags := r.get(at, "mount", "mnt.mnt_flags")
	words := []string{"rw"}
	if flags&mountReadOnly != 0 || r.get(super, "super_block", "s_flags")&superReadOnly != 0 {
		words[0] = "ro"
	}
	for _, f := range mountFlags {
		if flags&f.bit != 0 {
			words = append(words, f.name)
		}
	}
	return fmt.Sprintf("%s %s %s %s", device, r.path(arch.Addr(r.get(at, "mount", "mnt.mnt_root")), at), name, strings.Join(words, ","))
}

const (
	maxNames    = 256 // names in a path
	maxName     = 256
	maxFilePath = 4096
)

// name is a directory entry's.
func (r *reader) name(dentry arch.Addr) string {
	return r.text(arch.Addr(r.get(dentry, "dentry", "d_name.name")), maxName)
}

// path is where an entry lies on a mount, from the root of all mounts.
func (r *reader) path(dentry, mount arch.Addr) string {
	var names []string
	for range maxNames {
		if dentry == 0 || mount == 0 || r.stuck() {
			break
		}
		if dentry == arch.Addr(r.get(mount, "mount", "mnt.mnt_root")) {
			up := arch.Addr(r.get(mount, "mount", "mnt_parent"))
			if up == mount || up == 0 {
				break
			}
			dentry, mount = arch.Addr(r.get(mount, "mount", "mnt_mountpoint")), up
			continue
		}
		parent := arch.Addr(r.get(dentry, "dentry", "d_parent"))
		if parent == dentry {
			break
		}
		names = append(names, r.name(dentry))
		dentry = parent
	}
	if len(names) == 0 {
		return "/"
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		b.WriteString("/" + names[i])
	}
	return b.String()
}

// filePath is the path of a struct file, or what it is for one without: "socket:[42]".
func (r *reader) filePath(file arch.Addr) string {
	dentry := arch.Addr(r.get(file, "file", "f_path.dentry"))
	mnt := arch.Addr(r.get(file, "file", "f_path.mnt"))
	inode := arch.Addr(r.get(file, "file", "f_inode"))
	if dentry == 0 || mnt == 0 {
		return ""
	}
	super := arch.Addr(r.get(inode, "inode", "i_sb"))
	typ := r.text(arch.Addr(r.get(arch.Addr(r.get(super, "super_block", "s_type")), "file_system_type", "name")), 64)
	number := r.get(inode, "inode", "i_ino")
	switch typ {
	case "sockfs":
		return fmt.Sprintf("socket:[%d]", number)
	case "pipefs":
		return fmt.Sprintf("pipe:[%d]", number)
	case "anon_inodefs":
		return "anon_inode:" + r.name(dentry)
	}
	return r.path(dentry, mnt-r.field("mount", "mnt").offset)
}

// File modes of an open file (include/linux/fs.h, FMODE_*).
const (
	modeRead  = 1
	modeWrite = 2
	maxFiles  = 1 << 20
)

// openFilesOf walks the descriptor table of a task (struct fdtable).
func (r *reader) openFilesOf(task arch.Addr) iter.Seq2[int, arch.Addr] {
	return func(yield func(int, arch.Addr) bool) {
		files := arch.Addr(r.get(task, "task_struct", "files"))
		if files == 0 {
			return
		}
		table := arch.Addr(r.get(files, "files_struct", "fdt"))
		n := r.get(table, "fdtable", "max_fds")
		first := arch.Addr(r.get(table, "fdtable", "fd"))
		if r.stuck() || n > maxFiles {
			return
		}
		r.touch(first, int(8*n))
		for fd := range int(n) {
			file := r.pointer(first + arch.Addr(8*fd))
			if r.stuck() || file != 0 && !yield(fd, file) {
				return
			}
		}
	}
}

func openFiles(c *command) error {
	if err := c.most(1); err != nil {
		return err
	}
	which := "-1"
	if len(c.args) > 0 {
		which = c.args[0]
	}
	at, err := c.processOf(which)
	if err != nil {
		return err
	}
	c.printf("PROCESS %s  Cid %04x  %s\n   fd  File              Mode  Position  Path\n", address(at), c.get(at, "task_struct", "pid"), c.taskName(at))
	for fd, file := range c.openFilesOf(at) {
		mode := c.get(file, "file", "f_mode")
		text := []byte("--")
		if mode&modeRead != 0 {
			text[0] = 'r'
		}
		if mode&modeWrite != 0 {
			text[1] = 'w'
		}
		path := c.filePath(file)
		if c.stuck() {
			return nil
		}
		c.printf("%5d  %s  %s    %8x  %s\n", fd, address(file), text, c.get(file, "file", "f_pos"), path)
	}
	return nil
}
