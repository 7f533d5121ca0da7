"""Databases of the service: created by it, filled by `seed`, counted by `tally`, and compared with its responses."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sqlite3

from processes import Failed, Server, output
from scenarios import API_KEY, STRIPE_SECRET, WEBHOOK_SECRET


@dataclasses.dataclass(frozen=True)
class Size:
    name: str
    title: str
    products: int
    orders: int
    pending: int


SMALL = Size("small", "1 000 products, 1 000 orders", 1_000, 1_000, 100)
# For payments, each of which needs an unpaid order.
PAYABLE = Size("payable", "1 000 products, 250 000 unpaid orders", 1_000, 251_000, 250_000)
BIG = Size("big", "1 000 000 products, 1 000 000 orders", 1_000_000, 1_000_000, 500_000)


def service(binary, database, folder, log="service.log"):
    """The service with API keys, secrets of both webhooks and otherwise default settings, on a file or on the database of a
    URL."""
    env = {
        **operator(database),
        "API_KEYS": API_KEY,
        "WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
        "CURRENCY": "EUR",
    }
    return Server([str(binary)], env, folder / log)


class Seeds:
    """Filled databases, one for each size and binary, created on first use."""

    def __init__(self, tools, folder):
        self.tools, self.folder, self.made = tools, folder, {}

    def get(self, binary, size):
        if (binary, size) not in self.made:
            path = self.folder / f"seed-{len(self.made)}-{size.name}.db"
            with service(binary, path, self.folder):
                pass
            counts = [f"--{name}={getattr(size, name)}" for name in ("products", "orders", "pending")]
            output([self.tools / "seed", path, *counts])
            # Without a clean audit of the seeded database, no measurement on it would count.
            audit(binary, path)
            self.made[binary, size] = path
        return self.made[binary, size]

    def copy(self, binary, size, name):
        """A copy that is synced to disk, so that later writes do not wait for it."""
        path = self.folder / name
        remove(path)
        shutil.copyfile(self.get(binary, size), path)
        with open(path, "rb") as file:
            os.fsync(file.fileno())
        return path


def remove(path):
    for suffix in ("", "-wal", "-shm"):
        pathlib.Path(f"{path}{suffix}").unlink(missing_ok=True)


def tally(tools, database):
    return json.loads(output([tools / "tally", database]))


def unpaid(database):
    """The unpaid orders of a database that is not in use, each with its total in cents."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?immutable=1", uri=True)) as connection:
        sql = "SELECT id, quantity * unit_price_cents FROM orders WHERE status = 'PENDING' ORDER BY id"
        return connection.execute(sql).fetchall()


def audit(binary, database):
    """Fails where the service's audit finds anything."""
    output([str(binary), "audit"], operator(database))


def backup(binary, database, path):
    output([str(binary), "backup", str(path)], operator(database))


def operator(database):
    url = database if str(database).startswith("postgres://") else f"sqlite://{database}"
    return {"PATH": os.environ["PATH"], "DATABASE_URL": url}


def check_orders(before, after, sent_min, sent_max):
    """Compares a database with the acknowledged orders, each of one unit.

    At least `sent_min` were answered with 201. At most `sent_max` were sent; those in flight at the end of the load may or
    may not have been placed. All numbers in the database must agree exactly.
    """
    placed = after["orders"] - before["orders"]
    sold = before["stock"] - after["stock"]
    moved = before["units_moved"] - after["units_moved"]
    ordered = after["units_ordered"] - before["units_ordered"]
    rows = after["movements"] - before["movements"]
    if not placed == sold == moved == ordered == rows:
        raise Failed(
            f"{placed} orders of {ordered} units, but {sold} units left the stock and {rows} movements took {moved}"
        )
    if not sent_min <= placed <= sent_max:
        raise Failed(f"{placed} orders were placed, but {sent_min} to {sent_max} were answered or on their way")
    return placed


def check_payments(before, after, sent_min, sent_max):
    """The same for payments, each of one order."""
    applied = after["payments_applied"] - before["payments_applied"]
    if not sent_min <= applied <= sent_max:
        raise Failed(f"{applied} payments were applied, but {sent_min} to {sent_max} were answered or on their way")
    if before["stock"] != after["stock"] or before["orders"] != after["orders"]:
        raise Failed("a payment changed the stock or the number of orders")
    return applied
