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
import yaml


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
    (IN_EARNEST + 'echo "the key is $API_KEYS" >&2; ' + SERVES, unchanged, "log: a generated secret is in it"),
    ('case "$DATABASE_URL" in "") RENDER=false ;; esac; ' + SERVES, unchanged, "no disk: it does not say"),
]


class Failures(unittest.TestCase):
    def setUp(self):
        # Shorter timeouts, since these cases run into them.
        for limit in ["LIVE_SECONDS_MAX", "REFUSE_SECONDS_MAX"]:
            patch = unittest.mock.patch.object(rehearse, limit, 5)
            patch.start()
            self.addCleanup(patch.stop)

    def test_each_is_seen(self):
        for wrapper, change, says in CASES:
            with self.subTest(says=says), tempfile.TemporaryDirectory() as temporary:
                lines = self.rehearsed(pathlib.Path(temporary).resolve(), wrapper, change)
                failed = [line for line in lines if line.startswith("FAILED")]
                self.assertEqual(1, len(failed), lines)
                self.assertIn(says, failed[0])
                self.assertNotIn("passed", lines)

    def rehearsed(self, folder, wrapper, change):
        """The output of a rehearsal of this service."""
        binary = folder / "wrapper"
        binary.write_text(f'#!/bin/sh\nBINARY="{os.environ["BIN"]}"\n{wrapper}\n', encoding="utf-8")
        binary.chmod(0o755)
        service = yaml.safe_load(blueprint.FILE.read_text(encoding="utf-8"))["services"][0]
        change(service)
        (disk := folder / "disk").mkdir()
        rehearsal = rehearse.Rehearsal(service, rehearse.lay_out(folder, binary), disk, "0" * 40)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            try:
                rehearse.rehearse(rehearsal, True)
            finally:
                rehearsal.kill()
        return rehearsal.lines


if __name__ == "__main__":
    unittest.main()
