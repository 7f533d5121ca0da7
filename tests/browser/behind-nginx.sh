#!/bin/sh
# Runs a command against the service behind nginx and a path prefix: tests/browser/behind-nginx.sh COMMAND [ARGUMENT…]
# BASE_URL is the address of the service, and for the command that of nginx with the prefix. The settings of nginx for the
# service are those that docs/browser.md shows.
set -eu
: "${BASE_URL:?must be the address of the service}"
root=$(cd "$(dirname "$0")/../.." && pwd)
nginx=$("$root/tests/unpacked.sh" nginx usr/sbin/nginx)

folder=$(mktemp -d)
pid=
clean_up() {
    [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
shown=$(sed -n '/^```nginx$/,/^```$/p' "$root/docs/browser.md" | sed '/^```/d' | sed "s|http://127.0.0.1:8080/|$BASE_URL/|")
prefix=$(printf '%s\n' "$shown" | sed -n 's|^location \(/.*\)/ {$|\1|p')
[ -n "$prefix" ] || { echo "behind-nginx: docs/browser.md shows no location" >&2; exit 1; }
# One process, so that none changes its user and loses sight of the folder.
cat >"$folder/nginx.conf" <<END
daemon off;
master_process off;
pid $folder/pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    server {
        listen 127.0.0.1:$port;
        $shown
    }
}
END
"$nginx" -e stderr -c "$folder/nginx.conf" &
pid=$!
BASE_URL="http://127.0.0.1:$port$prefix"
export BASE_URL
node "$root/tests/browser/await-answer.mjs"
"$@"
