# The oracle's side of the comparison: runs a program over a gdbserver to the
# places of a plan, and writes each stop's frames with all their variables as one
# line of JSON. Sourced by gdb -batch; the plan's path is in $plan.
import gdb, json, re

plan = json.load(open(gdb.parameter("args")))
for setting in ("pagination off", "confirm off", "debuginfod enabled off", "auto-load off", "print repeats 0",
                "print elements 0", "debug-file-directory /nonexistent", "breakpoint pending off", "width 0",
                "print object off", "backtrace past-main off", "print symbol off", "print address on", "print entry-values no"):
    gdb.execute("set " + setting, to_string=True)
gdb.execute("set sysroot /")
for setting in plan.get("setup") or []:
    gdb.execute(setting, to_string=True)
gdb.execute("file " + plan["program"], to_string=True)
gdb.execute("target remote " + plan["remote"], to_string=True)

DEPTH, ELEMENTS, LEAVES = 8, 12, 400
RECORD = (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION)
WORDS = (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR, gdb.TYPE_CODE_BOOL, gdb.TYPE_CODE_ENUM, gdb.TYPE_CODE_PTR)


def why(error):
    text = str(error)
    if "optimized out" in text or "not saved" in text:
        return "<out>"
    if "ccess memory" in text:
        return "<memory>"
    return "<error: %s>" % text


def leaf(value, base):
    if base.code in WORDS and base.sizeof <= 8:
        return str(int(value))
    text = re.sub("^0x0*", "", value.format_string(format="x"))
    if base.code == gdb.TYPE_CODE_FLT and base.sizeof in (12, 16):
        text = text[-20:].lstrip("0")  # x87: the rest is padding
    return "0x" + text


def member(value, f):
    if f.is_base_class and isinstance(getattr(f, "bitpos", None), int) and value.address is not None:
        # by its place: value[f] also looks at the virtual bases on its way
        at = int(value.address) + f.bitpos // 8
        return gdb.Value(at).cast(f.type.pointer()).dereference()
    try:
        return value[f]
    except TypeError:  # the class is another copy of the same one
        return value.cast(f.type) if f.is_base_class else value[f.name]


def walk(value, path, depth, out):
    if len(out) >= LEAVES or depth > DEPTH:
        return
    base = value.type.strip_typedefs().unqualified()
    try:
        if base.code in RECORD:
            dead = value.address is None
            for f in base.fields():
                if dead and f.name and f.type.strip_typedefs().code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
                    out[path + "." + f.name] = "<unasked>"  # gdb 13 dies of one that points to what has no address
                    continue
                if not hasattr(f, "bitpos") and not f.is_base_class:
                    continue
                at = path
                if f.is_base_class:
                    at += ".<" + str(f.type.strip_typedefs()) + ">"
                elif f.name:
                    at += "." + f.name
                elif f.bitsize > 0:
                    continue
                try:
                    walk(member(value, f), at, depth + 1, out)
                except gdb.error as e:
                    out[at] = why(e)
            return
        if base.code == gdb.TYPE_CODE_ARRAY:
            low, high = base.range()
            for i in range(low, min(high + 1, low + ELEMENTS)):
                walk(value[i], "%s[%d]" % (path, i - low), depth + 1, out)
            return
        if base.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF, gdb.TYPE_CODE_PTR):
            if value.is_optimized_out:
                out[path] = "<out>"
                return
            if "synthetic pointer" in value.format_string(max_depth=0, raw=True):
                out[path] = "<synthetic>"
                if plan["follow"]:
                    target = value.dereference() if base.code == gdb.TYPE_CODE_PTR else value.referenced_value()
                    walk(target, "*" + path, depth + 1, out)
                return
            if base.code != gdb.TYPE_CODE_PTR:
                out[path] = str(int(value.referenced_value().address))
                return
        if value.is_optimized_out:
            out[path] = "<out>"
            return
        value.fetch_lazy()
        out[path] = leaf(value, base)
    except gdb.error as e:
        out[path] = why(e)


def variable(symbol, frame):
    out = {}
    try:
        walk(symbol.value(frame), "", 0, out)
    except gdb.error as e:
        out[""] = why(e)
    return out


def blocks(frame):
    try:
        b = frame.block()
    except RuntimeError:
        return
    while b is not None and not b.is_global and not b.is_static:
        yield b
        if b.function is not None:
            return
        b = b.superblock


def enumerator(s):
    return s.type.code == gdb.TYPE_CODE_ENUM and any(f.name == s.name for f in s.type.fields())


def variables(frame):
    out, seen = [], {}
    for b in blocks(frame):
        for s in b:
            if str(s.type) == "__CORE_ADDR" or enumerator(s):  # a label
                continue
            if s.is_argument or s.is_variable or s.is_constant:
                n = seen.get(s.name, 0)
                seen[s.name] = n + 1
                out.append({"name": s.name, "nth": n, "param": s.is_argument,
                            "type": str(s.type), "value": list(variable(s, frame).items())})
    return out


def fn_start(frame):
    c = called(frame.block())
    return c and c[1]


def frames(stop):
    out, f = [], gdb.newest_frame()
    for _ in range(64):
        if f is None or len(out) >= plan["frames"]:
            break
        fn = f.function()
        if f.type() == gdb.TAILCALL_FRAME and not plan.get("tail"):
            f = f.older()
            continue
        f.select()  # gdb follows pointers to what has no address in the selected frame only
        if fn is not None and fn.symtab.objfile.filename == plan["program"]:
            out.append({"function": fn.name, "linkage": fn.linkage_name, "pc": f.pc() - bias, "inlined": f.type() == gdb.INLINE_FRAME,
                        "entry": f.pc() == fn_start(f), "variables": variables(f)})
        f = f.older()
    return out


def called(b):
    """The function or inlined call around a block; gdb makes new objects each time, so its bounds stand for it."""
    while b is not None and b.function is None and not b.is_static:
        b = b.superblock
    return b and b.function and (b.function.name, b.start, b.end)


def innermost():
    """At a breakpoint gdb hides inlined calls that begin here; step shows the next without running."""
    for _ in range(16):
        here = called(gdb.block_for_pc(pc() + bias))
        try:
            shown = called(gdb.newest_frame().block())
        except RuntimeError:
            return
        if here == shown:
            return
        gdb.execute("step", to_string=True)


def tell(kind, pc):
    line = {"kind": kind, "pc": pc}
    if kind != "end":
        line["frames"] = frames(pc)
    answers.write(json.dumps(line) + "\n")


def alive():
    return any(t.is_valid() for t in gdb.selected_inferior().threads())


def pc():
    return int(gdb.parse_and_eval("(unsigned long)$pc")) - bias


answers = open(plan["answers"], "w")
bias = int(gdb.parse_and_eval("(unsigned long)&_start")) - plan["start"]
places, steps = {}, {}
for p in plan["places"]:
    places[p["at"]] = gdb.Breakpoint("*0x%x" % (p["at"] + bias))
    steps[p["at"]] = p["steps"]
while alive() and places:
    gdb.execute("continue", to_string=True)
    if not alive():
        break
    at = pc()
    if at in places:
        places.pop(at).delete()
        innermost()
        if pc() != at:
            raise gdb.GdbError("a hidden call was not at 0x%x" % at)
        tell("hit", at)
        for n in steps[at] or []:
            for _ in range(n):  # a count would end at the next breakpoint
                if alive():
                    gdb.execute("stepi", to_string=True)
            if not alive():
                break
            tell("step", pc())
    else:
        tell("other", at)
        break
answers.write(json.dumps({"kind": "end", "pc": 0}) + "\n")
answers.close()
if alive():
    gdb.execute("kill", to_string=True)
