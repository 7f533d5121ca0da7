#!/bin/sh
# Prints the path of wrk, which makes the load of the benchmark. Takes the one that is there; on Debian, as root, installs
# the distribution's where there is none; else says what to do.
set -eu

command -v wrk && exit

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No wrk here; installing Debian's." >&2
    export DEBIAN_FRONTEND=noninteractive
    # stdout is for the path alone. The lists may be too old to name what the mirror has, hence the update.
    {
        apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends wrk
    } </dev/null >&2 || echo "That failed." >&2
    command -v wrk && exit
fi

echo "The benchmark needs wrk 4.1 or newer: install it (Debian: apt-get install wrk)." >&2
exit 1
