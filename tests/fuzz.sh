#!/bin/sh
# Runs the fuzz targets of PACKAGES (all) for FUZZTIME each, JOBS at a time with
# one worker each. Go's fuzzer may report the end of its own time as a failure
# ("context deadline exceeded", no failing input); only that is let pass.
set -eu
export GO="${GO:-go}" FUZZTIME="${FUZZTIME:-60s}"
one=$(mktemp)
trap 'rm -f "$one"' EXIT
cat >"$one" <<'END'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
$GO test -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 200ms -parallel 1 "$1" >"$log" 2>&1 && status=0 || status=$?
echo "fuzz $1 $2: $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
[ $status = 0 ] && exit 0
grep -q 'context deadline exceeded' "$log" && ! grep -q -e 'Failing input' -e 'panic' "$log" && exit 0
cat "$log"
exit 1
END
for package in $($GO list ${PACKAGES:-./...}); do
  for target in $($GO test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "$package $target"
  done
done | xargs -P "${JOBS:-$(nproc)}" -n 2 sh "$one"
