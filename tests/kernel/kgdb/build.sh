#!/bin/sh
# A kernel with kgdb and kdb, which no kernel of Debian's has, from Debian's linux-source-6.1: kernel.config over
# `make tinyconfig`, and the module dwtest. Prints image=, vmlinux=, dwtest= and source=.
# Once per source and configuration: 139 MB to download, 2 GB of disk, six minutes of one CPU.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dap-windbg-targets
mkdir -p "$cache/debs" "$cache/logs"
exec 9>"$cache/lock-kgdb"
flock 9
hash=$(sha256sum <"$here/kernel.config" | cut -c1-8)
out=$(ls -d "$cache"/kgdb-*-"$hash" 2>/dev/null | head -1)
if [ -z "$out" ] || [ ! -e "$out/done" ]; then
  deb=$(ls -t "$cache"/debs/linux-source-6.1_*.deb 2>/dev/null | head -1)
  if [ -z "$deb" ]; then
    (cd "$cache/debs" && apt-get download -q linux-source-6.1 >&2)
    deb=$(ls -t "$cache"/debs/linux-source-6.1_*.deb | head -1)
  fi
  version=$(basename "$deb" | cut -d_ -f2)
  out=$cache/kgdb-$version-$hash source=$cache/linux-source-$version
  if [ ! -e "$source/.unpacked" ]; then
    mkdir -p "$source"
    dpkg-deb --fsys-tarfile "$deb" | tar -x -O ./usr/src/linux-source-6.1.tar.xz | tar -C "$source" -xJ --strip-components=1
    touch "$source/.unpacked"
  fi
  mkdir -p "$out"
  cd "$source"
  make -s O="$out" tinyconfig >/dev/null
  ./scripts/kconfig/merge_config.sh -m -O "$out" "$out/.config" "$here/kernel.config" >"$cache/logs/merge.log" 2>&1
  make -s O="$out" olddefconfig >&2
  nice -n 10 make -s O="$out" -j"$(nproc)" vmlinux bzImage modules >"$cache/logs/kgdb-build.log" 2>&1 ||
    { tail -20 "$cache/logs/kgdb-build.log" >&2; exit 1; }
  touch "$out/done"
fi
module=$out/dwtest
mkdir -p "$module"
for f in dwtest.c Kbuild; do cmp -s "$here/dwtest/$f" "$module/$f" || cp "$here/dwtest/$f" "$module/"; done
[ "$module/dwtest.ko" -nt "$module/dwtest.c" ] || make -s -C "$out" M="$module" modules >"$cache/logs/dwtest.log" 2>&1 ||
  { tail "$cache/logs/dwtest.log" >&2; exit 1; }
echo "image=$out/arch/x86/boot/bzImage"
echo "vmlinux=$out/vmlinux"
echo "dwtest=$module/dwtest.ko"
echo "source=$(readlink -f "$out/source")"
