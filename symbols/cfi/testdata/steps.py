# Run by gdb: steps through the first call of inner and tells all frames at each instruction, as lines of JSON.
import gdb, json

NAMES = ["rip", "rsp", "rbp", "rbx", "r12", "r13", "r14", "r15"]
MASK = (1 << 64) - 1

def registers(frame):
    out = {}
    for name in NAMES:
        v = frame.read_register(name)
        if not v.is_optimized_out:
            out[name] = int(v) & MASK
    return out

gdb.execute("set pagination off")
gdb.execute("set backtrace past-main on")
gdb.execute("handle SIGUSR1 nostop noprint pass", to_string=True)
gdb.execute("break *inner")
gdb.execute("run", to_string=True)
inferior = gdb.selected_inferior()
for line in open("/proc/%d/maps" % inferior.pid):
    f = line.split()
    if f[-1] == "[stack]":
        end = int(f[0].split("-")[1], 16)
    if len(f) > 5 and int(f[2], 16) == 0 and f[5].startswith("/"):
        print("JSON " + json.dumps({"path": f[5], "base": int(f[0].split("-")[0], 16)}))
for step in range(40):
    frames, f = [], gdb.newest_frame()
    while f is not None and len(frames) < 50:
        # An inline frame shares the registers of the frame it is in; a tail call's has none of its own.
        if f.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
            frames.append({"registers": registers(f), "signal": f.type() == gdb.SIGTRAMP_FRAME})
        f = f.older()
    top = frames[0]["registers"]
    at = top["rsp"] - 256
    code = inferior.read_memory(top["rip"], 16).tobytes().hex()
    stack = inferior.read_memory(at, min(12288, end - at)).tobytes().hex()
    print("JSON " + json.dumps({"frames": frames, "at": at, "stack": stack, "code": code}))
    gdb.execute("stepi", to_string=True)
gdb.execute("kill")
