#!/bin/sh
# Runs clang++-19 with libc++ 19, whose packages cannot be installed beside those of
# release 14: they are fetched once and unpacked into the user's cache.
set -e
dir=${XDG_CACHE_HOME:-$HOME/.cache}/dap-windbg-tests/libcxx19
if [ ! -e "$dir/done" ]; then
	mkdir -p "$dir"
	(cd "$dir" && apt-get download libc++-19-dev libc++1-19 libc++abi-19-dev libc++abi1-19 libunwind-19-dev libunwind-19 &&
		for f in *.deb; do dpkg -x "$f" . && rm "$f"; done && touch done) >&2
fi
root=$dir/usr/lib/llvm-19
exec clang++-19 -nostdinc++ -isystem "$root/include/c++/v1" -nostdlib++ "-L$root/lib" "-Wl,-rpath,$root/lib" -lc++ -lc++abi -lunwind "$@"
