# The oracle's side of the comparison: runs each walk of a plan in a program over a
# gdbserver of its own, and writes what is seen after each command as one line of
# JSON. Sourced by gdb -batch; the plan's path is in gdb's args.
import gdb, json, os, re

plan = json.load(open(gdb.parameter("args")))
for setting in ("pagination off", "confirm off", "debuginfod enabled off", "auto-load off", "debug-file-directory /nonexistent",
                "breakpoint pending on", "width 0", "print object off", "print entry-values no", "sysroot /", "python print-stack none",
                "print frame-arguments none", "unwind-on-terminating-exception off"):
    gdb.execute("set " + setting, to_string=True)
for setting in plan.get("setup") or []:
    gdb.execute(setting, to_string=True)
gdb.execute("file " + plan["program"], to_string=True)

WORDS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_PTR)
answers = open(plan["answers"], "w")
reason = ""


def stopped(event):
    global reason
    reason = "step"
    if isinstance(event, gdb.SignalEvent):
        reason = "signal " + event.stop_signal
    elif isinstance(event, gdb.BreakpointEvent) and any(b.is_valid() and b.visible for b in event.breakpoints):
        reason = "breakpoint"


gdb.events.stop.connect(stopped)


def alive():
    return any(t.is_valid() for t in gdb.selected_inferior().threads())


def why(error):
    text = str(error)
    if "optimized out" in text or "not saved" in text:
        return "<out>"
    if "ccess memory" in text:
        return "<memory>"
    return "<error: %s>" % text


def scalar(value):
    """The text of a scalar, None for what is none."""
    base = value.type.strip_typedefs().unqualified()
    if base.code not in WORDS + (gdb.TYPE_CODE_FLT,):
        return None
    try:
        if value.is_optimized_out:
            return "<out>"
        if base.code == gdb.TYPE_CODE_PTR and "synthetic pointer" in value.format_string(max_depth=0, raw=True):
            return None
        value.fetch_lazy()
        if base.code in WORDS and base.sizeof <= 8:
            return str(int(value))
        text = re.sub("^0x0*", "", value.format_string(format="x"))
        if base.code == gdb.TYPE_CODE_FLT and base.sizeof in (12, 16):
            text = text[-20:].lstrip("0")  # x87: the rest is padding
        return "0x" + text
    except gdb.error as e:
        return why(e)


def enumerator(s):
    return s.type.code == gdb.TYPE_CODE_ENUM and any(f.name == s.name for f in s.type.fields())


def variables(frame):
    out, seen = [], {}
    try:
        b = frame.block()
    except RuntimeError:
        return out
    while b is not None and not b.is_global and not b.is_static:
        for s in b:
            if not (s.is_argument or s.is_variable or s.is_constant) or enumerator(s) or s.addr_class == gdb.SYMBOL_LOC_STATIC or str(s.type) == "__CORE_ADDR":
                continue  # the last are labels
            n = seen.get(s.name, 0)
            seen[s.name] = n + 1
            try:
                text = scalar(s.value(frame))
            except gdb.error as e:
                text = why(e)
            if text is not None:
                out.append(["%s#%d" % (s.name, n), text])
        if b.function is not None:
            return out
        b = b.superblock
    return out


def frames():
    """Those of the program itself, and whether the innermost is another's."""
    out, f, foreign = [], gdb.newest_frame(), False
    for i in range(plan["frames"]):
        if f is None:
            break
        fn, sal = f.function(), f.find_sal()
        if fn is not None and fn.symtab.objfile.filename in (plan["program"], plan["library"]):
            out.append({"function": fn.name, "linkage": fn.linkage_name or "", "inlined": f.type() == gdb.INLINE_FRAME,
                        "line": sal.line, "file": os.path.basename(sal.symtab.filename) if sal.symtab else ""})
        elif i == 0:
            foreign = True
        f = f.older()
    return out, foreign


def tell(walk, command, kind, returned=None):
    line = {"walk": walk, "command": command, "kind": kind}
    if kind == "stop":
        f = gdb.newest_frame()
        line["pc"], line["reason"] = f.pc(), reason
        line["frames"], line["foreign"] = frames()
        line["variables"] = variables(f)
        line["returned"] = returned or ""
    answers.write(json.dumps(line) + "\n")


for i, walk in enumerate(plan["walks"]):
    gdb.execute("target remote " + walk["remote"], to_string=True)
    gdb.Breakpoint(walk["at"], temporary=True)
    for other in walk.get("stops") or []:
        gdb.Breakpoint(other)
    for command in ["continue"] + walk["commands"]:
        reason, handed = "step", gdb.history_count()
        try:
            gdb.execute(command, to_string=True)
        except gdb.error as e:
            if alive():
                tell(i, command, "refused")
                continue
        if not alive():
            tell(i, command, "end")
            break
        value = None
        if gdb.history_count() > handed:
            value = scalar(gdb.history(0))
        tell(i, command, "stop", value)
    if alive():
        gdb.execute("kill", to_string=True)
    gdb.execute("delete", to_string=True)
tell(len(plan["walks"]), "", "over")
answers.close()
