# Run by gdb with HOST, STOPS and STEPS in the environment: goes to each of the
# places in STOPS ("*name" or "name+4", "." for a step of one instruction) and
# tells all frames at each, as lines of JSON.
import gdb, json, os

gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute("set backtrace past-main on")
for name in ("SIGUSR1", "SIGUSR2"):
    gdb.execute("handle %s nostop noprint pass" % name, to_string=True)
gdb.execute("target remote " + os.environ["HOST"], to_string=True)
KINDS = {gdb.NORMAL_FRAME: "normal", gdb.INLINE_FRAME: "inline", gdb.TAILCALL_FRAME: "tail", gdb.SIGTRAMP_FRAME: "signal"}
NAMES = os.environ["REGISTERS"].split()

def value(frame, name):
    try:
        v = frame.read_register(name)
        if v.is_optimized_out:
            return None
        return int(v) % (1 << 8 * v.type.sizeof)
    except (gdb.error, ValueError):
        return None

def tell():
    frames, f = [], gdb.newest_frame()
    while f is not None and len(frames) < 60:
        registers = {}
        for name in NAMES:
            v = value(f, name)
            if v is not None:
                registers[name] = v
        frames.append({"pid": gdb.selected_inferior().pid, "pc": f.pc(), "name": f.name() or "", "kind": KINDS.get(f.type(), "other"), "registers": registers})
        try:
            f = f.older()
        except gdb.error:
            break
    print("\nJSON " + json.dumps(frames))

for stop in os.environ["STOPS"].split():
    try:
        if stop == ".":
            gdb.execute("stepi", to_string=True)
        else:
            b = gdb.Breakpoint(stop if stop[0] == "*" else "*(" + stop + ")", temporary=True)
            gdb.execute("continue", to_string=True)
        tell()
    except gdb.error as e:
        print("ERROR " + str(e))
        break
gdb.execute("kill", to_string=True)
