"""Starts, observes and ends the measured programs. It does not know what they do.

It ends only processes that it has started, by process id.
"""

import http.client
import os
import signal
import socket
import subprocess
import time

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """A failed measurement, in one line."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def output(argv, env=None, seconds_max=600):
    """Runs a program to its end and returns its output."""
    ended = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds_max)
    if ended.returncode != 0:
        raise Failed(f"{argv[0]} ended with status {ended.returncode}: {(ended.stdout + ended.stderr)[-2000:].strip()}")
    return ended.stdout


class Server:
    """A server on a free port of 127.0.0.1, as a context manager: it runs inside the block."""

    def __init__(self, argv, env, log):
        self.argv, self.env, self.log = argv, env, log
        self.process = self.port = self.start_seconds = None

    def __enter__(self):
        self.port = free_port()
        with open(self.log, "wb") as log:
            started = time.perf_counter()
            self.process = subprocess.Popen(
                self.argv, env={**self.env, "PORT": str(self.port)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self._wait_for_first_answer(started)
        except BaseException:
            self._kill()
            raise
        return self

    def _wait_for_first_answer(self, started):
        """Waits until /readyz is 200; `start_seconds` is the time from before the start until that response."""
        while time.perf_counter() - started < START_SECONDS_MAX:
            if self.process.poll() is not None:
                raise Failed(f"{self.argv[0]} ended with status {self.process.returncode}: {self.log_tail()}")
            try:
                if self.get("/readyz", START_SECONDS_MAX)[0] == 200:
                    self.start_seconds = time.perf_counter() - started
                    return
            except OSError:
                pass
            time.sleep(0.000_2)
        raise Failed(f"{self.argv[0]} did not answer within {START_SECONDS_MAX} s: {self.log_tail()}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._kill()
            raise Failed(f"{self.argv[0]} did not end within {STOP_SECONDS_MAX} s after SIGTERM") from None
        if status != 0:
            raise Failed(f"{self.argv[0]} ended with status {status}: {self.log_tail()}")

    def _kill(self):
        self.process.kill()
        self.process.wait()

    def log_tail(self):
        with open(self.log, "rb") as log:
            return log.read()[-1000:].decode(errors="replace").strip()

    def get(self, path, seconds_max=10):
        return self.ask("GET", path, seconds_max=seconds_max)

    def ask(self, method, path, body=None, headers=None, seconds_max=10):
        """Sends a request on a new connection; returns status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds_max)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except http.client.HTTPException as broken:
            raise ConnectionError(str(broken)) from broken
        finally:
            connection.close()

    def cpu_seconds(self):
        """The process's user and system time so far, including ended threads."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mb(self):
        """Resident memory: current and peak."""
        with open(f"/proc/{self.process.pid}/status") as status:
            kib = {line.split(":")[0]: line.split()[1] for line in status if line.startswith(("VmRSS", "VmHWM"))}
        return int(kib["VmRSS"]) / 1024, int(kib["VmHWM"]) / 1024
