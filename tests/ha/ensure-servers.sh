#!/bin/sh
# Prints where etcd, HAProxy and PostgreSQL's programs are, as lines NAME=PATH: tests/ha/ensure-servers.sh
# Uses installed ones; else, on Debian, unpacks the distribution's packages below target/ without installing them, so that
# none of their services starts; else says what to do. LD_LIBRARY_PATH is for the unpacked ones.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "${CARGO_TARGET_DIR:-target}/ha"
folder=$(cd "${CARGO_TARGET_DIR:-target}/ha" && pwd)

# The newest PostgreSQL with all that Patroni needs. Debian's own has TLS; that of PyPI, which other tests use, has none.
find_postgres() {
    for bin in $(ls -d "$folder"/root/usr/lib/postgresql/*/bin /usr/lib/postgresql/*/bin 2>/dev/null | sort -t / -k 5 -Vr) "$(dirname "$(command -v initdb || echo /)")"; do
        if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] && [ -x "$bin/pg_rewind" ] && [ -x "$bin/pg_basebackup" ]; then
            echo "$bin"
            return
        fi
    done
    return 1
}

find_program() {
    PATH="$PATH:/usr/sbin:/sbin:$folder/root/usr/bin:$folder/root/usr/sbin" command -v "$1"
}

missing() {
    find_program etcd >/dev/null || echo etcd-server
    find_program haproxy >/dev/null || echo haproxy
    find_postgres >/dev/null || echo postgresql
}

packages=$(missing)
if [ -n "$packages" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "No $(echo $packages) here; unpacking Debian's." >&2
    # The update is needed where the package lists are outdated; only root may do it, while the download, which names what
    # else they need, requires no privileges.
    (
        mkdir -p "$folder/archives/partial"
        [ "$(id -u)" -ne 0 ] || apt-get update --quiet=2
        # shellcheck disable=SC2086
        apt-get install --download-only --yes --quiet=2 --no-install-recommends -o Debug::NoLocking=1 \
            -o APT::Sandbox::User=root -o Dir::Cache::archives="$folder/archives" $packages
        for archive in "$folder"/archives/*.deb; do
            dpkg-deb --extract "$archive" "$folder/root"
        done
        rm -r "$folder/archives"
    ) </dev/null >&2 || echo "That failed." >&2
fi

packages=$(missing)
if [ -n "$packages" ]; then
    echo "The test of the failover needs $(echo $packages) (Debian's names): install them, or put them into PATH." >&2
    exit 1
fi
echo "ETCD=$(find_program etcd)"
echo "HAPROXY=$(find_program haproxy)"
echo "POSTGRES_BIN_DIR=$(find_postgres)"
for libraries in "$folder"/root/usr/lib/*-linux-gnu*; do
    [ ! -d "$libraries" ] || echo "LD_LIBRARY_PATH=$libraries"
done
