#!/bin/sh
# Prints the path of a program for a test: tests/unpacked.sh PACKAGE PATH, such as tests/unpacked.sh nginx usr/sbin/nginx
# Uses an installed one; else, on Debian, unpacks the distribution's package below target/ without installing it, so that no
# service of it starts; else says what to do.
set -eu
package=$1
path=$2
program=$(basename "$path")
cd "$(dirname "$0")/.."

PATH=$PATH:/usr/sbin command -v "$program" && exit

mkdir -p "${CARGO_TARGET_DIR:-target}/unpacked"
folder=$(cd "${CARGO_TARGET_DIR:-target}/unpacked" && pwd)
if [ ! -x "$folder/$path" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "No $program here; unpacking Debian's." >&2
    # Only the path goes to stdout. The update is needed where the package lists are outdated; only root may do it, while
    # the download needs no privileges, and is skipped where the archive is there already.
    (
        cd "$folder"
        [ "$(id -u)" -ne 0 ] || apt-get update --quiet=2
        apt-get download --quiet=2 "$package"
        dpkg-deb --fsys-tarfile "$package"_*.deb | tar -x "./$path"
    ) </dev/null >&2 || echo "That failed." >&2
fi
if [ -x "$folder/$path" ]; then
    echo "$folder/$path"
    exit
fi

echo "A test needs $program: install it (Debian: apt-get install $package), or put it into PATH." >&2
exit 1
