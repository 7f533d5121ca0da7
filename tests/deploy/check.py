#!/usr/bin/env python3
"""Checks what deploys the service elsewhere than on Render: BIN=… BASE_URL=… tests/deploy/check.py

Dockerfile and .dockerignore, compose.yaml and what it mounts, and the systemd unit, by the rules in files.py, by hadolint and
by systemd-analyze. The image's health check runs as it is, against the service at BASE_URL and against servers that fail.
It builds and starts no image; `make image-rehearsal` does.
"""

import contextlib
import http.server
import os
import pathlib
import subprocess
import sys
import threading
import urllib.parse

from files import ROOT, Program, health_command, of_compose, of_dockerfile, of_unit


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


@contextlib.contextmanager
def answering(status):
    """The port of a server that answers every request with this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def of_health(command, port):
    """Whether the image's health check knows a service that is ready."""

    def healthy(port):
        environment = {"PATH": os.environ["PATH"], "PORT": str(port)}
        return subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False).returncode == 0

    if not healthy(port):
        yield "HEALTHCHECK: it fails for a service that is ready"
    for status in [204, 404, 503]:
        with answering(status) as other:
            if healthy(other):
                yield f"HEALTHCHECK: it takes a {status} for ready"
    # Nobody listens there any more.
    if healthy(other):
        yield "HEALTHCHECK: it takes a port on which nobody listens for ready"


def main():
    program, dockerfile = Program(os.environ["BIN"]), read("Dockerfile")
    analyze = subprocess.run([ROOT / "tests/deploy/ensure-systemd-analyze.sh"], text=True, stdout=subprocess.PIPE, check=False)
    if analyze.returncode != 0:
        sys.exit(1)
    hadolint = [pathlib.Path(sys.executable).parent / "hadolint", ROOT / "Dockerfile"]
    lint = subprocess.run(hadolint, text=True, capture_output=True, check=False)
    ops = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in (ROOT / "ops").rglob("*") if path.is_file()}
    problems = [
        *lint.stdout.splitlines(), *lint.stderr.splitlines(),
        *of_dockerfile(dockerfile, read(".dockerignore"), read("rust-toolchain.toml"), program),
        *of_health(health_command(dockerfile), urllib.parse.urlsplit(os.environ["BASE_URL"]).port),
        *of_compose(read("compose.yaml"), dockerfile, ops, program),
        *of_unit(ops["ops/orders-inventory.service"], program, analyze.stdout.strip()),
    ]
    if problems:
        sys.exit("\n".join(f"FAILED  {problem}" for problem in problems))
    print("deploy: Dockerfile, .dockerignore, compose.yaml and the systemd unit agree with the service and with each other")


if __name__ == "__main__":
    main()
