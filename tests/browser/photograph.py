"""Takes pictures of pages on this disk, by a Chromium."""

import functools
import pathlib
import subprocess
import tempfile

ENSURE_CHROMIUM = pathlib.Path(__file__).resolve().parent / "ensure-chromium.sh"
CHROMIUM_SECONDS_MAX = 60
# No sandbox, since containers and root lack the privileges for it and the page is trusted; no network access; and time for
# the scripts of the page.
CHROMIUM_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=5000"
).split()


@functools.cache
def chromium():
    """The path of a Chromium; empty where none is installed or can be."""
    return subprocess.run([ENSURE_CHROMIUM], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def photograph(page, picture, width, height):
    """Takes a picture of this size, in pixels, of a local page, if there is a Chromium; returns whether it did."""
    picture.unlink(missing_ok=True)
    if chromium():
        with tempfile.TemporaryDirectory() as profile:
            command = [chromium(), *CHROMIUM_OPTIONS, f"--user-data-dir={profile}"]
            command += [f"--window-size={width},{height}", f"--screenshot={picture}", page.as_uri()]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(command, timeout=CHROMIUM_SECONDS_MAX, check=True, **quiet)
    return picture.exists()
