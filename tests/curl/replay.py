#!/usr/bin/env python3
"""Runs the curl lines of a page against a fresh server, so that what the page shows is what readers get.

    BASE_URL=… BIN=… tests/curl/replay.py write|check|codes PAGE.md

All ```sh blocks run in one bash, in order, as a reader would paste them; only the address and the path of the binary are
replaced by those of the server under test.

write  puts what each block printed into the ```http or ```text block after it; one that still says the same stays as it is.
check  fails where a block printed something else than the page shows.
codes  is for a page without answers: its comments name the status codes ("# Create a product: 201, …"), its lines print
       them (-w '\\n%{http_code}\\n').

Times, request ids and signatures differ each time and are not compared; ids are, for a fresh database counts from 1.
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# Where `make run` puts things, and so what the pages say.
ADDRESS = "http://127.0.0.1:8080"
BINARY = "target/release/orders-inventory"

BLOCK = re.compile(r"^```sh\n(?P<lines>.*?)^```\n(?:\n```(?:http|text)\n(?P<answer>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
# Ends the output of a block, and stands in no answer.
SEPARATOR = "\x1e"
SECONDS_MAX = 60
VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"^(date|x-request-id): .*$", re.MULTILINE), r"\1: <varies>"),
    (re.compile(r"t=\d+,v1=[0-9a-f]{64}"), "<signature>"),
]


def run(blocks):
    """What each block printed."""
    script = f"\nprintf '{SEPARATOR}'\n".join(["set -u", *blocks])
    script = script.replace(ADDRESS, os.environ["BASE_URL"]).replace(BINARY, os.environ["BIN"])
    # A reader's shell has no settings of ours, and our .curlrc must not be on the page.
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "127.0.0.1"}
        ran = subprocess.run(["bash", "-c", script], env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, timeout=SECONDS_MAX, check=False)
    printed = ran.stdout.decode().replace("\r\n", "\n").split(SEPARATOR)[1:]
    if len(printed) != len(blocks):
        sys.exit(f"bash ended with {ran.returncode} after {len(printed)} of {len(blocks)} blocks")
    return [text and text.rstrip("\n") + "\n" for text in printed]


def stable(text):
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def write(page):
    """The page with the answers of now."""
    printed = iter(run([match["lines"] for match in BLOCK.finditer(page)]))

    def block(match):
        text = next(printed)
        if stable(match["answer"] or "") == stable(text):
            return match[0]
        language = "http" if text.startswith("HTTP/") else "text"
        return f"```sh\n{match['lines']}```\n" + (f"\n```{language}\n{text}```\n" if text else "")

    return BLOCK.sub(block, page)


def check(name, page):
    """How the page differs from what it would be now, but for what differs each time."""
    shown, now = stable(page).splitlines(), stable(write(page)).splitlines()
    return list(difflib.unified_diff(shown, now, f"{name}: as it shows", f"{name}: as it is", lineterm=""))


def codes(name, page):
    """How the codes that the page names differ from those that its lines print."""
    blocks = [match["lines"] for match in BLOCK.finditer(page) if ADDRESS in match["lines"]]
    named = re.findall(r"^# .*?: (\d{3})\b", "".join(blocks), re.MULTILINE)
    printed = re.findall(r"^\d{3}$", "".join(run(blocks)), re.MULTILINE)
    if named and named == printed:
        return []
    return [f"{name}: its comments name the codes {' '.join(named)}", f"{name}: its lines print {' '.join(printed)}"]


def main():
    mode, name = sys.argv[1:]
    path = pathlib.Path(name)
    page = path.read_text(encoding="utf-8")
    if mode == "write":
        path.write_text(write(page), encoding="utf-8")
        return
    differences = {"check": check, "codes": codes}[mode](name, page)
    if differences:
        sys.exit("\n".join([*differences, f"{name} went stale"]))
    print(f"{name}: {len(BLOCK.findall(page))} blocks of lines answer as it says")


if __name__ == "__main__":
    main()
