#!/bin/sh
# Prints the path of a program of Prometheus: tests/ops/ensure-prometheus.sh promtool|prometheus
# Uses an installed one; else, on Debian, unpacks the distribution's package below target/ without installing it, so that
# no Prometheus service starts; else says what to do.
set -eu
program=$1
cd "$(dirname "$0")/../.."

command -v "$program" && exit

mkdir -p "${CARGO_TARGET_DIR:-target}/prometheus"
folder=$(cd "${CARGO_TARGET_DIR:-target}/prometheus" && pwd)
if [ ! -x "$folder/usr/bin/$program" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "No $program here; unpacking Debian's." >&2
    # Only the path goes to stdout. The update is needed where the package lists are outdated; only root may do it, while
    # the download needs no privileges.
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
