#!/bin/sh
# Prints the path of a Chromium for the browser tests. Takes the one that is there; on Debian, as root, installs the
# distribution's where there is none; else says what to do.
set -eu

find_chromium() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        [ -n "$name" ] && command -v "$name" && return
    done
    return 1
}

# A path that was set but does not run is a mistake to hear about, not to work around.
if [ -n "${CHROMIUM:-}" ] && ! command -v "$CHROMIUM" >/dev/null; then
    echo "CHROMIUM is set to '$CHROMIUM', which cannot be run." >&2
    exit 1
fi

find_chromium && exit

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "No Chromium here; installing Debian's." >&2
    export DEBIAN_FRONTEND=noninteractive
    # stdout is for the path alone. The lists may be too old to name what the mirror has, hence the update.
    {
        apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends chromium
    } </dev/null >&2 || echo "That failed." >&2
    find_chromium && exit
fi

echo "The browser tests need Chromium: install it (Debian: apt-get install chromium), or set CHROMIUM to its path." >&2
exit 1
