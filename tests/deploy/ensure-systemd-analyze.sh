#!/bin/sh
# Prints the path of systemd-analyze. Installs Debian's systemd where there is none, as root only: the package starts nothing
# where another program is process 1. Else it says what to do.
set -eu
command -v systemd-analyze && exit

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No systemd-analyze here; installing Debian's systemd." >&2
    (
        apt-get update --quiet=2
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends -o DPkg::Lock::Timeout=300 systemd
    ) </dev/null >&2 || echo "That failed." >&2
    command -v systemd-analyze && exit
fi

echo "The check of ops/orders-inventory.service needs systemd-analyze: install systemd (Debian: apt-get install systemd)." >&2
exit 1
