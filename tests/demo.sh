#!/bin/sh
# The walk-through: a program under a gdbserver started by hand, debugged from the
# command window. N (50) is the length of its greeting.
set -eu
cd "$(dirname "$0")/.."
N=${N:-50}
work=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
cp tests/programs/DisplayGreeting.cpp "$work/"
(cd "$work" && g++ -g -O0 -DGREETING_SIZE="$N" DisplayGreeting.cpp -o DisplayGreeting)
mkfifo "$work/input"
echo "\$ gdbserver localhost:0 DisplayGreeting"
(cd "$work" && exec gdbserver --once 127.0.0.1:0 ./DisplayGreeting <"$work/input" >"$work/output" 2>"$work/server.log") &
server=$!
exec 3>"$work/input"
tries=0
until port=$(sed -n 's/^Listening on port \([0-9]*\)$/\1/p' "$work/server.log" 2>/dev/null) && [ -n "$port" ]; do
  tries=$((tries + 1))
  [ $tries -lt 100 ] || { cat "$work/server.log"; exit 1; }
  sleep 0.1
done
cat "$work/server.log"
echo >&3 # the key the program waits for
echo "\$ dap-windbg cdb -remote gdb:server=localhost,port=$port"
./dap-windbg cdb -remote "gdb:server=localhost,port=$port" <<COMMANDS
.sympath $work
.srcpath $work
bp DisplayGreeting!main
bl
g
.reload
lm
k
p
p
p
k
dx greeting
dx -r1 greeting,! 
u @\$ip L3
g
COMMANDS
exec 3>&-
wait "$server" || true
server=
echo "\$ cat output"
cat "$work/output"
