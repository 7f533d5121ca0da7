"""Runs localstripe on a free port of 127.0.0.1, and prints its address. By itself it listens on every interface, and keeps
its objects in a file that all its users share."""

import logging
import socket

from aiohttp import web
from localstripe import resources, server

resources.Store.dump_to_disk = lambda store: None

# It says there whether a webhook was delivered.
log = logging.getLogger("aiohttp.access")
log.setLevel(logging.INFO)
log.addHandler(logging.StreamHandler())

listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
web.run_app(server.app, sock=listener, access_log=log, print=None)
