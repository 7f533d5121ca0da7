#!/bin/sh
# Prints the path of wrk, the benchmark's load generator. Uses an installed one; else, as root on Debian, installs the
# distribution's package; else says what to do.
set -eu

command -v wrk && exit

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No wrk here; installing Debian's." >&2
    export DEBIAN_FRONTEND=noninteractive
    # Only the path goes to stdout. The update is needed where the package lists are outdated.
    {
        apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends wrk
    } </dev/null >&2 || echo "That failed." >&2
    command -v wrk && exit
fi

echo "The benchmark needs wrk 4.1 or newer: install it (Debian: apt-get install wrk)." >&2
exit 1
