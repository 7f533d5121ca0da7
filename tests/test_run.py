"""Tests of run.py, the runner of `make test`: each runs it on a Makefile of its own."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RUN = pathlib.Path(__file__).with_name("run.py")
STEPS = """
good:
\t@echo this is good
bad:
\t@echo this is bad >&2; exit 3
slow:
\t@sleep 600 & echo $$! >slow.pid; wait
left:
\t@echo left begins; touch left; until [ -e right ]; do sleep 0.01; done; echo left ends
right:
\t@echo right begins; touch right; until [ -e left ]; do sleep 0.01; done; echo right ends
variable:
\t@test "$(SETTING)" = something
"""


class Steps(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "Makefile").write_text(STEPS)

    def start(self, *steps, **environment):
        return subprocess.Popen([sys.executable, RUN, *steps], cwd=self.folder, env={**os.environ, **environment},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run_steps(self, *steps, **environment):
        process = self.start(*steps, **environment)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def sleeper(self):
        """Waits for the process that the slow step starts; returns its id."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if (file := self.folder / "slow.pid").exists() and (text := file.read_text().strip()):
                return int(text)
            time.sleep(0.01)
        self.fail("the slow step did not start")

    def assert_ends(self, pid):
        """Waits for a process to end; a zombie counts as ended."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            if re.search(r"^State:\tZ", status, re.MULTILINE):
                return
            time.sleep(0.01)
        self.fail(f"process {pid} is still running")

    def test_all_steps_that_pass_make_it_pass(self):
        status, output = self.run_steps("good", "good")
        self.assertEqual(status, 0, output)
        self.assertEqual(output.splitlines()[-1], "2 passed, 0 failed")

    def test_a_step_that_fails_makes_it_fail_and_later_steps_still_run(self):
        status, output = self.run_steps("bad", "good", "unknown", "good")
        self.assertEqual(status, 1, output)
        self.assertEqual(output.splitlines()[-1], "2 passed, 2 failed")
        table = re.findall(r"^(\S+) +(passed|FAILED) +\d+ s$", output, re.MULTILINE)
        self.assertEqual(table, [("bad", "FAILED"), ("good", "passed"), ("unknown", "FAILED"), ("good", "passed")])

    def test_a_steps_output_follows_its_line(self):
        _, output = self.run_steps("bad", "good")
        self.assertRegex(output, "(?s)step 1 of 2: bad\nthis is bad\n.*bad: FAILED.*step 2 of 2: good\nthis is good\n.*good: passed")

    def test_steps_behind_the_dashes_run_two_at_a_time_and_print_their_output_whole(self):
        # Each of the two waits for the other.
        status, output = self.run_steps("good", "--", "left", "right", "bad", "good", STEP_SECONDS_MAX="20")
        self.assertEqual(status, 1, output)
        self.assertEqual(output.splitlines()[-1], "4 passed, 1 failed")
        self.assertRegex(output, r"step 2 of 5: left\nleft begins\nleft ends\n==== left: passed")
        self.assertRegex(output, r"step 3 of 5: right\nright begins\nright ends\n==== right: passed")

    def test_steps_before_the_dashes_run_alone(self):
        status, output = self.run_steps("left", "right", "--", "good", STEP_SECONDS_MAX="2")
        self.assertEqual(status, 1, output)
        self.assertIn("left: FAILED, ended after 2 s", output)

    def test_variables_reach_the_steps(self):
        self.assertEqual(self.run_steps("variable", SETTING="something")[0], 0)
        self.assertEqual(self.run_steps("variable", SETTING="else")[0], 1)

    def test_a_step_that_takes_too_long_is_ended_and_has_failed(self):
        status, output = self.run_steps("slow", "good", STEP_SECONDS_MAX="1")
        self.assertEqual(status, 1, output)
        self.assertIn("slow: FAILED, ended after 1 s", output)
        self.assertEqual(output.splitlines()[-1], "1 passed, 1 failed")
        self.assert_ends(self.sleeper())

    def test_ending_the_runner_ends_the_step(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), self.start("slow", "good") as process:
                sleeper = self.sleeper()
                process.send_signal(number)
                output, _ = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 128 + number, output)
                self.assertNotIn("step 2", output)
                self.assert_ends(sleeper)
            (self.folder / "slow.pid").unlink()

    def test_without_steps_it_fails(self):
        self.assertEqual(self.run_steps()[0], 1)


if __name__ == "__main__":
    unittest.main()
