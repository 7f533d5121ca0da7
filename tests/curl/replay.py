#!/usr/bin/env python3
"""Runs the lines of a page against a fresh server, so that what the page shows is what readers get.

    BASE_URL=… DATABASE_URL=… BIN=… tests/curl/replay.py write|check PAGE.md

All ```sh and ```python blocks run in one bash, in order, as a reader would paste them; only the address and the path of
the binary are replaced by those of the server under test. A block shows what it gets in one of two ways:

* in the ```http, ```json or ```text block after it, which has to be what it printed, or
* where its comments name status codes ("# Create a product: 201, …") in these: it has to print them, each alone on a line
  (-w '\\n%{http_code}\\n'), and what else it prints is not shown.

write  puts in what each block printed; what still says the same stays as it is. Codes are people's to write.
check  fails where a block printed something else than the page shows.

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
BINARY = "target/local/orders-inventory"

BLOCK = re.compile(
    r"^```(?P<language>sh|python)\n(?P<lines>.*?)^```\n(?:\n```(?P<shown>http|json|text)\n(?P<answer>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
CODE_NAMED = re.compile(r"^# .*?: (\d{3})\b", re.MULTILINE)
CODE_PRINTED = re.compile(r"^\d{3}$", re.MULTILINE)
# Ends the output of a block, and stands in no answer.
SEPARATOR = "\x1e"
SECONDS_MAX = 60
VOLATILE = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "<time>"),
    (re.compile(r"^(date|x-request-id): .*$", re.MULTILINE), r"\1: <varies>"),
    (re.compile(r"t=\d+,v1=[0-9a-f]{64}"), "<signature>"),
]


def as_bash(block):
    if block["language"] == "python":
        return f"python3 - <<'END OF PYTHON'\n{block['lines']}END OF PYTHON\n"
    return block["lines"]


def run(page):
    """The blocks of a page, and what each printed."""
    blocks = list(BLOCK.finditer(page))
    script = f"\nprintf '{SEPARATOR}'\n".join(["set -u", *map(as_bash, blocks)])
    script = script.replace(ADDRESS, os.environ["BASE_URL"]).replace(BINARY, os.environ["BIN"])
    # A reader's shell has no settings of ours (where the data is, it finds by itself), and our .curlrc is not on the page.
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
    """The page with the answers of now."""
    texts = iter(text for _, text in printed)

    def block(match):
        text = next(texts)
        if CODE_NAMED.search(match["lines"]) or stable(match["answer"] or "") == stable(text):
            return match[0]
        language = match["shown"] or ("http" if text.startswith("HTTP/") else "text")
        return f"```{match['language']}\n{match['lines']}```\n" + (f"\n```{language}\n{text}```\n" if text else "")

    return BLOCK.sub(block, page)


def check(name, page, printed):
    """How the page differs from what it would be now, but for what differs each time."""
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
        sys.exit("\n".join([*differences, f"{name} went stale"]))
    print(f"{name}: {len(printed)} blocks of lines answer as it says")


if __name__ == "__main__":
    main()
