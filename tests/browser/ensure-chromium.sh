#!/bin/sh
# Prints the path of a Chromium for the browser tests. Uses an installed one; else, as root on Debian, installs the
# distribution's package; else says what to do.
set -eu

find_chromium() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && command -v "$name" && return
    done
    return 1
}

# A configured path that cannot be run is an error.
if [ -n "${CHROMIUM:-}" ] && ! command -v "$CHROMIUM" >/dev/null; then
    echo "CHROMIUM is set to '$CHROMIUM', which cannot be run." >&2
    exit 1
fi

find_chromium && exit

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No Chromium here; installing Debian's." >&2
    export DEBIAN_FRONTEND=noninteractive
    # Only the path goes to stdout. The update is needed where the package lists are outdated.
    {
        apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends chromium
    } </dev/null >&2 || echo "That failed." >&2
    find_chromium && exit
fi

echo "The browser tests need Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its path." >&2
exit 1
