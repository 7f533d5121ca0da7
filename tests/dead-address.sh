#!/bin/sh
# Tests that a client tool says where it cannot connect: tests/dead-address.sh COMMAND [ARGUMENT…]
# The command gets a BASE_URL where nobody listens. It must fail, and say so once, in a few lines.
set -eu
export BASE_URL=http://127.0.0.1:1 WEBHOOK_SECRET=a-secret

fail() {
    printf 'dead-address: %s\n%s\n' "$1" "$output" >&2
    exit 1
}

if output=$("$@" 2>&1 </dev/null); then fail "$* succeeded where nobody listens"; fi
told=$(printf '%s\n' "$output" | grep -c "cannot connect to $BASE_URL") || true
[ "$told" -eq 1 ] || fail "$* does not say once: cannot connect to $BASE_URL"
lines=$(printf '%s\n' "$output" | wc -l)
[ "$lines" -le 6 ] || fail "$* says it in $lines lines"
echo "ok      $* says: cannot connect to $BASE_URL"
