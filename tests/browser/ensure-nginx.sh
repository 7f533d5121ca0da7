#!/bin/sh
# Prints the path of an nginx for the tests behind a path prefix. Uses an installed one; else, on Debian, unpacks the
# distribution's package below target/ without installing it, so that no nginx service starts; else says what to do.
set -eu
cd "$(dirname "$0")/../.."

PATH=$PATH:/usr/sbin command -v nginx && exit

mkdir -p "${CARGO_TARGET_DIR:-target}/nginx"
folder=$(cd "${CARGO_TARGET_DIR:-target}/nginx" && pwd)
if [ ! -x "$folder/usr/sbin/nginx" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "No nginx here; unpacking Debian's." >&2
    # Only the path goes to stdout. The update is needed where the package lists are outdated; only root may do it, while
    # the download needs no privileges.
    (
        cd "$folder"
        [ "$(id -u)" -ne 0 ] || apt-get update --quiet=2
        apt-get download --quiet=2 nginx
        dpkg-deb --fsys-tarfile nginx_*.deb | tar -x ./usr/sbin/nginx
        rm nginx_*.deb
    ) </dev/null >&2 || echo "That failed." >&2
fi
if [ -x "$folder/usr/sbin/nginx" ] && "$folder/usr/sbin/nginx" -v 2>/dev/null; then
    echo "$folder/usr/sbin/nginx"
    exit
fi

echo "The tests behind a path prefix need nginx: install it (Debian: apt-get install nginx-light), or put it into PATH." >&2
exit 1
