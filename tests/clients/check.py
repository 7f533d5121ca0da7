#!/usr/bin/env python3
"""Runs a client's program through a proxy that loses and refuses its order: BASE_URL=… check.py PAGE.md COMMAND [ARGUMENT…]

The proxy is between the program and the service at BASE_URL. It forwards everything, but treats the first requests that place
an order with an Idempotency-Key as TROUBLES says. The program must print what the page's one ```text block shows, wait as
long as the refusal says, and repeat the same request; after that the service must have one order.
"""

import difflib
import http.client
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
import urllib.parse

SHOWN = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WAIT_SECONDS = 2
TIMEOUT_SECONDS = 60
# The connection's own headers, which a proxy does not pass on.
OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


def lose(exchange):
    """The order is placed, but its answer is lost."""
    exchange.ask_service()


def refuse(exchange):
    exchange.answer_problem("overloaded", 503, {"Retry-After": str(WAIT_SECONDS)})


def leave_unknown(exchange):
    exchange.answer_problem("outcome-unknown", 500, {})


TROUBLES = [lose, refuse, leave_unknown]


class Exchange(http.server.BaseHTTPRequestHandler):
    """A request and its answer. The protocol is HTTP/1.0, so that each has a connection of its own."""

    def handle_one(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers.get("Idempotency-Key")
        if (self.command, self.path) == ("POST", "/orders") and key:
            attempts = self.server.attempts
            attempts.append((time.monotonic(), key, self.body))
            if len(attempts) <= len(TROUBLES):
                TROUBLES[len(attempts) - 1](self)
                return
        status, headers, body = self.ask_service()
        self.answer(status, headers, body)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one

    def ask_service(self):
        connection = http.client.HTTPConnection(self.server.service, timeout=TIMEOUT_SECONDS)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_CONNECTION}
        connection.request(self.command, self.path, self.body or None, headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), body

    def answer_problem(self, name, status, headers):
        problem = {"type": f"/problems/{name}", "title": "Made by the test", "status": status, "detail": "Try again."}
        self.answer(status, {"Content-Type": "application/problem+json"} | headers, json.dumps(problem).encode())

    def answer(self, status, headers, body):
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in OF_CONNECTION:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def faults(attempts):
    """What is wrong with the way in which the program repeated its order."""
    if len(attempts) != len(TROUBLES) + 1:
        yield f"the order was sent {len(attempts)} times, not {len(TROUBLES) + 1}"
        return
    if len({key for _, key, _ in attempts}) != 1:
        yield "the order was repeated with another Idempotency-Key"
    if len({body for _, _, body in attempts}) != 1:
        yield "the order was repeated with another body"
    refused_at = TROUBLES.index(refuse)
    waited = attempts[refused_at + 1][0] - attempts[refused_at][0]
    if waited < WAIT_SECONDS:
        yield f"the program waited {waited:.1f} s, and Retry-After said {WAIT_SECONDS}"


def orders(service):
    connection = http.client.HTTPConnection(service, timeout=TIMEOUT_SECONDS)
    connection.request("GET", "/orders", headers={"X-API-Key": os.environ["API_KEY"]})
    return json.load(connection.getresponse())["items"]


def main():
    page, *command = sys.argv[1:]
    (shown,) = SHOWN.findall(pathlib.Path(page).read_text(encoding="utf-8"))
    service = urllib.parse.urlsplit(os.environ["BASE_URL"]).netloc
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exchange) as proxy:
        proxy.service, proxy.attempts = service, []
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        environment = os.environ | {"BASE_URL": f"http://127.0.0.1:{proxy.server_port}"}
        ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=TIMEOUT_SECONDS, check=False)
        proxy.shutdown()
    printed = difflib.unified_diff(shown.splitlines(), ran.stdout.splitlines(), f"{page} shows", "printed", lineterm="")
    found = [*printed, *faults(proxy.attempts)]
    if ran.returncode:
        found.append(f"the program ended with status {ran.returncode}")
    if len(placed := orders(service)) != 1:
        found.append(f"the service has {len(placed)} orders, not 1")
    if found:
        sys.exit("\n".join([f"{command[-1]}:", *found]))
    print(f"{command[-1]}: placed one order in {len(proxy.attempts)} attempts, and printed what {page} shows")


if __name__ == "__main__":
    main()
