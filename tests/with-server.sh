#!/bin/sh
# Runs a command against a fresh server: BIN=path/to/orders-inventory tests/with-server.sh COMMAND [ARGUMENT…]
# Its database is an SQLite file, or with TEST_BACKEND=postgres one on the server of tests/postgres/server.py.
# The server listens on a free port and has a new, empty database; the command finds them at $BASE_URL and
# $DATABASE_URL. Fails where the command fails, and where the server does not start in 30 seconds or does not end with
# status 0 in 30 after SIGTERM.
set -eu
: "${BIN:?must be the path of orders-inventory}"

folder=$(mktemp -d)
: >"$folder/log"
pid=
clean_up() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# fail WHAT [STATUS]
fail() {
    echo "with-server: $1; the end of the server's log:" >&2
    tail -n 20 "$folder/log" >&2
    exit "${2:-1}"
}

DATABASE_URL="sqlite://$folder/test.db"
if [ "${TEST_BACKEND:-}" = postgres ]; then
    tests=$(dirname "$0")
    DATABASE_URL=$("$tests/../.venv/bin/python" -B "$tests/postgres/new_database.py")
fi
export DATABASE_URL
HOST=127.0.0.1 PORT=0 "$BIN" </dev/null >"$folder/log" 2>&1 &
pid=$!

# The first line of the server's greeting ends with the address of its documentation.
tenths=0
until BASE_URL=$(grep -Eo -m 1 'http://127\.0\.0\.1:[0-9]+/docs' "$folder/log"); do
    kill -0 "$pid" 2>/dev/null || fail "$BIN ended before it said its address"
    [ "$tenths" -lt 300 ] || fail "$BIN did not say its address in 30 seconds"
    sleep 0.1
    tenths=$((tenths + 1))
done
export BASE_URL="${BASE_URL%/docs}"

status=0
"$@" </dev/null || status=$?

# `wait` has no time limit, so a watchdog kills a server that does not end; the watchdog ends with the server.
kill -TERM "$pid" 2>/dev/null || true
(
    tenths=0
    while kill -0 "$pid" 2>/dev/null && [ "$tenths" -lt 300 ]; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    kill -KILL "$pid" 2>/dev/null
) >/dev/null 2>&1 &
server_status=0
wait "$pid" || server_status=$?
pid=
[ "$status" -eq 0 ] || fail "$1 ended with status $status" "$status"
[ "$server_status" -eq 0 ] || fail "$BIN ended with status $server_status after SIGTERM"
