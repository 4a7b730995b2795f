#!/bin/sh
# Debian's cloud kernel for tests, unpacked and never installed: fetch.sh [--dbg]. Prints release=, vmlinuz=, modules=
# and, with --dbg (283 MB to download, 0.7 GB unpacked), vmlinux= and debug=, the folder of the modules' debug files.
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/dap-windbg-targets
mkdir -p "$cache/debs"
exec 9>"$cache/lock"
flock 9
update() { if [ "$(id -u)" = 0 ]; then apt-get update -qq >&2; else sudo apt-get update -qq >&2; fi; }
image=linux-image-cloud-amd64
named() { apt-cache depends "$image" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[^ ]*\)$/\1/p' | head -1; }
# symbols PACKAGE: its debug symbols are here or can be had; those of old versions go
symbols() {
  [ -e "$cache/$1-dbg/.whole" ] || ls "$cache/debs/$1-dbg_"*.deb >/dev/null 2>&1 || [ -n "$(apt-cache policy "$1-dbg" 2>/dev/null)" ]
}
package=$(ls -d "$cache"/linux-image-*-cloud-amd64 2>/dev/null | sort -V | tail -1)
if [ -n "$package" ] && [ -e "$package/.whole" ]; then
  package=${package##*/}
  if [ "${1:-}" = --dbg ] && ! symbols "$package"; then
    update
    symbols "$package" || package=$(named)
  fi
else
  package=$(named)
  [ -n "$package" ] || { update; package=$(named); }
  [ -n "$package" ] || { echo "fetch.sh: apt knows no $image" >&2; exit 1; }
fi
release=${package#linux-image-}
# download PACKAGE: its .deb's path, from the cache when it is there
download() {
  deb=$(ls -t "$cache/debs/$1"_*.deb 2>/dev/null | head -1)
  if [ -z "$deb" ]; then
    (cd "$cache/debs" && { apt-get download -q "$1" >&2 || { update; apt-get download -q "$1" >&2; }; })
    deb=$(ls -t "$cache/debs/$1"_*.deb | head -1)
  fi
  echo "$deb"
}
# unpack PACKAGE PATTERN...: what matches of it, once
unpack() {
  to=$cache/$1
  [ -e "$to/.whole" ] && return
  deb=$(download "$1"); shift
  mkdir -p "$to"
  dpkg-deb --fsys-tarfile "$deb" | tar -C "$to" -x --wildcards "$@"
  touch "$to/.whole"
}
unpack "$package" './boot/*' './lib/modules/*'
echo "release=$release"
echo "vmlinuz=$cache/$package/boot/vmlinuz-$release"
echo "modules=$cache/$package/lib/modules/$release"
if [ "${1:-}" = --dbg ]; then
  unpack "$package-dbg" '*/boot/vmlinux*' '*/drivers/net/dummy.ko*' '*/drivers/net/veth.ko*'
  echo "vmlinux=$cache/$package-dbg/usr/lib/debug/boot/vmlinux-$release"
  echo "debug=$cache/$package-dbg/usr/lib/debug/lib/modules/$release"
fi
