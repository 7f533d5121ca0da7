"""Tests that the rehearsal fails for a wrong service or blueprint: BIN=… python3 -m unittest discover …/render

Each case has one fault, in the blueprint or by a wrapper around the binary, and the step that must fail.
"""

import contextlib
import io
import os
import pathlib
import tempfile
import unittest
import unittest.mock

import blueprint
import rehearse
import rehearse_postgres
import yaml
from server import Server


def written(key, value):
    """A change of the value of one variable."""
    def change(service):
        next(entry for entry in service["envVars"] if entry["key"] == key)["value"] = value
    return change


def field(name, value):
    return lambda service: service.update({name: value})


def unchanged(_service):
    pass


SERVES = 'exec "$BINARY" "$@"'
# Skips the operator's commands, and the starts that must be refused.
IN_EARNEST = '[ $# -gt 0 ] || [ -z "$API_KEYS" ] || [ -z "$WEBHOOK_SECRET" ] || '
CASES = [
    # The wrapper, the change of the blueprint, and the rehearsal's message.
    (f'API_KEYS="${{API_KEYS:-none}}"; export API_KEYS; {SERVES}', unchanged, "no API_KEYS: it serves all the same"),
    ('[ -n "$WEBHOOK_SECRET" ] || { echo "not configured"; exit 1; }; ' + SERVES, unchanged,
     "no WEBHOOK_SECRET: it ended with status 1"),
    ('[ -n "$API_KEYS" ] || touch "${DATABASE_URL#sqlite://}"; ' + SERVES, unchanged, "no API_KEYS: it touched the disk"),
    (IN_EARNEST + "unset API_KEYS; " + SERVES, unchanged, "first deploy: it ended with status 1"),
    (SERVES, field("healthCheckPath", "/health"), "first deploy: no healthy answer in 5 s"),
    (SERVES, written("HOST", "127.0.0.1"), "it listens on 127.0.0.1 only"),
    ('WEBHOOK_SECRET="$WEBHOOK_SECRET."; ' + SERVES, unchanged, "smoke: ended with status 1"),
    ('[ "$1" != backup ] || exit 1; ' + SERVES, unchanged, "backup.db ended with status 1"),
    (IN_EARNEST + '{ trap "" TERM; "$BINARY"; }; ' + SERVES, field("maxShutdownDelaySeconds", 1),
     "next deploy: it still runs 1 s after SIGTERM"),
    (IN_EARNEST + 'rm -f "${DATABASE_URL#sqlite://}"*; ' + SERVES, unchanged, "next deploy: GET /orders/"),
    (SERVES, written("DATABASE_URL", "sqlite://data/orders-inventory.db"), "it wrote beside the disk"),
    (SERVES, written("LOG_FORMAT", "pretty"), "log: not one JSON object a line"),
    (IN_EARNEST + 'echo "the key is $API_KEYS" >&2; ' + SERVES, unchanged, "log: a secret is in it"),
    ('case "$DATABASE_URL" in "") RENDER=false ;; esac; ' + SERVES, unchanged, "no disk: it does not say"),
]
# True for the first instance.
FIRST = '[ "$RENDER_INSTANCE_ID" = srv-instance-1 ]'
IN_EARNEST_POSTGRES = IN_EARNEST + '[ -z "$ALLOW_ASYNC_REPLICATION" ] || '
# The same of render-postgres.yaml.
POSTGRES_CASES = [
    (f'ALLOW_ASYNC_REPLICATION=true; export ALLOW_ASYNC_REPLICATION; {SERVES}', unchanged,
     "no ALLOW_ASYNC_REPLICATION: it serves all the same"),
    ('[ -n "$API_KEYS" ] || API_KEYS=any timeout 2 "$BINARY" >/dev/null 2>&1; ' + SERVES, unchanged, "no API_KEYS: it made"),
    # The server's certificate is one that nobody can verify.
    (SERVES, field("startCommand", "exec ./target/release/orders-inventory"), "no ALLOW_ASYNC_REPLICATION: it ended with status 1"),
    (FIRST + " || API_KEYS=another; " + SERVES, unchanged, "GET /orders/"),
    (FIRST + ' || DATABASE_URL="sqlite://$0.db"; ' + SERVES, unchanged, "GET /orders/"),
    (SERVES, written("RATE_LIMIT_PER_MINUTE", "70"), "failed: "),
    (SERVES, written("HOST", "127.0.0.1"), "it listens on 127.0.0.1 only"),
    (IN_EARNEST_POSTGRES + '{ trap "" TERM; "$BINARY"; }; ' + SERVES, field("maxShutdownDelaySeconds", 1), "it still runs 1 s after SIGTERM"),
    (IN_EARNEST_POSTGRES + "touch here; " + SERVES, unchanged, "it wrote beside the disk"),
    (IN_EARNEST_POSTGRES + 'echo "{\\"message\\":\\"$DATABASE_URL\\"}" >&2; ' + SERVES, unchanged, "log: a secret is in it"),
]


class Failures(unittest.TestCase):
    def setUp(self):
        # Shorter timeouts, since these cases run into them.
        limits = [(rehearse, "LIVE_SECONDS_MAX", 5), (rehearse, "REFUSE_SECONDS_MAX", 5), (rehearse_postgres, "PHASE_SECONDS", 0.3)]
        for module, limit, seconds in limits:
            patch = unittest.mock.patch.object(module, limit, seconds)
            patch.start()
            self.addCleanup(patch.stop)

    def test_each_is_seen(self):
        for wrapper, change, says in CASES:
            with self.subTest(says=says), tempfile.TemporaryDirectory() as temporary:
                folder = pathlib.Path(temporary).resolve()
                service, source, disk = self.laid_out(folder, blueprint.FILE, wrapper, change)
                self.fails(rehearse.Rehearsal(service, source, disk, "0" * 40), rehearse.rehearse, says)

    def test_each_is_seen_with_a_database(self):
        with Server() as server:
            for wrapper, change, says in POSTGRES_CASES:
                with self.subTest(says=says), tempfile.TemporaryDirectory() as temporary:
                    folder = pathlib.Path(temporary).resolve()
                    server.admin("DROP DATABASE shop WITH (FORCE); CREATE DATABASE shop OWNER shop TEMPLATE template0")
                    service, source, disk = self.laid_out(folder, blueprint.POSTGRES_FILE, wrapper, change)
                    instances = rehearse_postgres.Service(service, source, disk, "0" * 40, server)
                    self.fails(instances, rehearse_postgres.rehearse_service, says)

    def fails(self, rehearsal, steps, says):
        """Rehearses this service, and expects the one failure."""
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            try:
                steps(rehearsal, True)
            finally:
                rehearsal.kill()
        failed = [line for line in rehearsal.lines if line.startswith("FAILED")]
        self.assertEqual(1, len(failed), rehearsal.lines)
        self.assertIn(says, failed[0])
        self.assertNotIn("passed", rehearsal.lines)

    def laid_out(self, folder, file, wrapper, change):
        """The changed service of a blueprint, and its folders, with the wrapper as the binary."""
        binary = folder / "wrapper"
        binary.write_text(f'#!/bin/sh\nBINARY="{os.environ["BIN"]}"\n{wrapper}\n', encoding="utf-8")
        binary.chmod(0o755)
        service = yaml.safe_load(file.read_text(encoding="utf-8"))["services"][0]
        change(service)
        (disk := folder / "disk").mkdir()
        return service, rehearse.lay_out(folder, binary), disk


if __name__ == "__main__":
    unittest.main()
