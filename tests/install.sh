#!/bin/sh
# Installs what the tests need and is not there: install.sh COMMAND=PACKAGE ...
# A path instead of a command asks for that file, deb:NAME for a package. Fails when a package cannot be had.
set -eu
missing=
for pair in "$@"; do
  what=${pair%%=*} package=${pair#*=}
  case $what in
  deb:*) dpkg -s "${what#deb:}" >/dev/null 2>&1 || missing="$missing $package" ;;
  /*) [ -e "$what" ] || missing="$missing $package" ;;
  *) command -v "$what" >/dev/null 2>&1 || missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0
root=
[ "$(id -u)" = 0 ] || root=sudo
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
install() { $root apt-get install -y -qq --no-install-recommends $missing >/dev/null; }
install 2>/dev/null || { $root apt-get update -qq && install; }
