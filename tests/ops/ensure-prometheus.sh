#!/bin/sh
# Prints the path of a program of Prometheus: tests/ops/ensure-prometheus.sh promtool|prometheus
# Takes the one that is there; else, on Debian, unpacks that of the distribution's package below target/ and installs
# nothing, so that no Prometheus starts by itself; else says what to do.
set -eu
program=$1
cd "$(dirname "$0")/../.."

command -v "$program" && exit

mkdir -p "${CARGO_TARGET_DIR:-target}/prometheus"
folder=$(cd "${CARGO_TARGET_DIR:-target}/prometheus" && pwd)
if [ ! -x "$folder/usr/bin/$program" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "No $program here; unpacking Debian's." >&2
    # stdout is for the path alone. The lists may be too old to name what the mirror has, hence the update, which only
    # root may do; the download itself needs no rights.
    (
        cd "$folder"
        [ "$(id -u)" -ne 0 ] || apt-get update --quiet=2
        apt-get download --quiet=2 prometheus
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool ./usr/bin/prometheus
        rm prometheus_*.deb
    ) </dev/null >&2 || echo "That failed." >&2
fi
if [ -x "$folder/usr/bin/$program" ]; then
    echo "$folder/usr/bin/$program"
    exit
fi

echo "The checks of ops/ need $program: install Prometheus (Debian: apt-get install prometheus), or put it into PATH." >&2
exit 1
