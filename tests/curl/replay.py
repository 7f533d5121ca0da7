#!/usr/bin/env python3
"""Runs the commands of a page against a fresh server, so that the page shows what readers get.

    BASE_URL=… DATABASE_URL=… BIN=… tests/curl/replay.py write|check PAGE.md

All ```sh and ```python blocks run in one bash, in order; only the server's address and the binary's path are replaced. The
page shows the output of a block in one of two ways:

* the ```http, ```json or ```text block after it equals the output, or
* comments in a Python block name status codes ("# Create a product: 201, …"): the block must print these, each alone on a
  line. Its other output is not shown. (A shell block has no comments: tests/docs/pasting.rs.)

write  replaces the shown output where it differs. It does not change status codes in comments.
check  fails where the output differs from the page.

Times, request ids and signatures are not compared. Ids are, since a new database counts from 1.
"""

import difflib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

# The address and the binary of `make run`, which the pages use.
ADDRESS = "http://127.0.0.1:8080"
BINARY = "target/local/orders-inventory"

BLOCK = re.compile(
    r"^```(?P<language>sh|python)\n(?P<lines>.*?)^```\n(?:\n```(?P<shown>http|json|text)\n(?P<answer>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
CODE_NAMED = re.compile(r"^# .*?: (\d{3})\b", re.MULTILINE)
CODE_PRINTED = re.compile(r"^\d{3}$", re.MULTILINE)
# Separates the outputs of the blocks; no output contains it.
SEPARATOR = "\x1e"
SECONDS_MAX = 60
VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"^(date|x-request-id): .*$", re.MULTILINE), r"\1: <varies>"),
    (re.compile(r"t=\d+,v1=[0-9a-f]{64}"), "<signature>"),
    (re.compile(r"^(webhook-timestamp|webhook-signature): .*$", re.MULTILINE), r"\1: <varies>"),
]


def as_bash(block):
    if block["language"] == "python":
        # A block that shows no output must not fail unseen.
        return f"python3 - <<'END OF PYTHON' || echo Python failed\n{block['lines']}END OF PYTHON\n"
    return block["lines"]


def run(page):
    """Runs the blocks of a page; returns each with its output."""
    blocks = list(BLOCK.finditer(page))
    script = f"\nprintf '{SEPARATOR}'\n".join(["set -u", *map(as_bash, blocks)])
    script = script.replace(ADDRESS, os.environ["BASE_URL"]).replace(BINARY, os.environ["BIN"])
    # Without this environment's settings and .curlrc, which a reader does not have.
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "NO_PROXY": "127.0.0.1",
                       "DATABASE_URL": os.environ["DATABASE_URL"]}
        ran = subprocess.run(["bash", "-c", script], env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, timeout=SECONDS_MAX, check=False)
    printed = ran.stdout.decode().replace("\r\n", "\n").split(SEPARATOR)[1:]
    if len(printed) != len(blocks):
        sys.exit(f"bash ended with {ran.returncode} after {len(printed)} of {len(blocks)} blocks")
    return [(block, text and text.rstrip("\n") + "\n") for block, text in zip(blocks, printed, strict=True)]


def stable(text):
    for pattern, replacement in VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def write(page, printed):
    """The page with the current output."""
    texts = iter(text for _, text in printed)

    def block(match):
        text = next(texts)
        if CODE_NAMED.search(match["lines"]) or stable(match["answer"] or "") == stable(text):
            return match[0]
        language = match["shown"] or ("http" if text.startswith("HTTP/") else "text")
        return f"```{match['language']}\n{match['lines']}```\n" + (f"\n```{language}\n{text}```\n" if text else "")

    return BLOCK.sub(block, page)


def check(name, page, printed):
    """The differences between the page and the current output."""
    shown, now = stable(page).splitlines(), stable(write(page, printed)).splitlines()
    differences = list(difflib.unified_diff(shown, now, f"{name}: as it shows", f"{name}: as it is", lineterm=""))
    for block, text in printed:
        named, codes = CODE_NAMED.findall(block["lines"]), CODE_PRINTED.findall(text)
        if named and named != codes:
            differences += [f"{name}: comments name the codes {' '.join(named)}", f"{name}: lines print {' '.join(codes)}"]
    return differences


def main():
    mode, name = sys.argv[1:]
    path = pathlib.Path(name)
    page = path.read_text(encoding="utf-8")
    printed = run(page)
    if mode == "write":
        path.write_text(write(page, printed), encoding="utf-8")
        return
    differences = check(name, page, printed)
    if differences:
        sys.exit("\n".join([*differences, f"{name} is out of date"]))
    print(f"{name}: {len(printed)} blocks print what the page shows")


if __name__ == "__main__":
    main()
