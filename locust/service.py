"""The service under load: a fresh one that is started and stopped here, and what it and its machine do meanwhile.

Linux only: what is used is read from /proc.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

API_KEY, WEBHOOK_SECRET = "load-test-key", "load-test-secret"
TICKS, CORES = os.sysconf("SC_CLK_TCK"), os.cpu_count()
START_SECONDS_MAX = STOP_SECONDS_MAX = 30
SAMPLE_SECONDS = 0.02
WRITER = "store-writer"  # the name of the thread that all writes go through

# The server's whole environment; a developer's own settings must not reach it.
INHERITED = ["PATH", "HOME", "LANG"]
# The folder of its database: the build folder, since a temporary folder may be in memory, where a sync costs nothing.
DISK = pathlib.Path(__file__).resolve().parent.parent / "target" / "load-test"


class Service:
    """A server with default settings, keys and a secret, on a free port of 127.0.0.1, with a new database."""

    def __init__(self, binary, folder):
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environment = environment | {
            "HOST": "127.0.0.1",
            "PORT": "0",
            "DATABASE_URL": f"sqlite://{folder}/load.db",
            "API_KEYS": f"another-key,{API_KEY}",
            "WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        self.binary, self.log = str(binary), pathlib.Path(folder, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.binary], env=self.environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.pid = self.process.pid

    def wait_until_it_serves(self):
        end = time.monotonic() + START_SECONDS_MAX
        while not (found := re.search(r"(http://127\.0\.0\.1:\d+)/docs", self.log.read_text(errors="replace"))):
            if self.process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{self.binary} did not start; the end of its log:\n{self.log_tail()}")
            time.sleep(0.02)
        self.base_url = found[1]

    def log_tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def audit(self):
        """Audits the database while the service runs; returns the output, and fails where an invariant is broken."""
        ran = subprocess.run([self.binary, "audit"], env=self.environment, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise SystemExit(f"audit ended with status {ran.returncode}:\n{ran.stdout}{ran.stderr}")
        return ran.stdout.strip()

    def stop(self):
        self.process.terminate()
        if self.process.wait(STOP_SECONDS_MAX) != 0:
            raise SystemExit(
                f"{self.binary} ended with status {self.process.returncode} after SIGTERM; the end of its log:\n"
                f"{self.log_tail()}"
            )


@contextlib.contextmanager
def fresh(binary):
    """A running `Service`, stopped at the end of the block; its database and log are deleted then."""
    # SIGTERM to this program stops the server as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    DISK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DISK) as folder:
        service = Service(binary, folder)
        try:
            service.wait_until_it_serves()
            yield service
            service.stop()
        finally:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()


def disk_sync_ms(times=300):
    """The time of a sync of 4 KiB to disk: the median and the 99th percentile."""
    DISK.mkdir(parents=True, exist_ok=True)
    took = []
    with tempfile.TemporaryFile(dir=DISK, buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    took.sort()
    return round(took[times // 2], 3), round(took[times * 99 // 100], 3)


def cpu_seconds(pid):
    """The CPU time of the process so far, in all threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_cpu_seconds():
    """The CPU time of all processes of the machine so far."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, pathlib.Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / TICKS


def memory_peak_mib(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


class Sampler:
    """Samples the CPU use of service, generator and machine, until its `with` block ends."""

    def __init__(self, service, generator_pid):
        self.service, self.generator = service, generator_pid
        self.samples, self.done = [], threading.Event()
        self.writer = (
            next(
                (
                    task
                    for task in pathlib.Path(f"/proc/{service.pid}/task").iterdir()
                    if (task / "comm").read_text().strip() == WRITER
                ),
                None,
            )
            if service
            else None
        )
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def run(self):
        with contextlib.suppress(OSError):  # the generator has ended
            while not self.done.wait(SAMPLE_SECONDS):
                sample = {
                    "time": time.time(),
                    "generator": cpu_seconds(self.generator),
                    "machine": machine_cpu_seconds(),
                }
                if self.service:
                    sample["service"] = cpu_seconds(self.service.pid)
                if self.writer:
                    on_cpu, for_cpu, _ = map(int, (self.writer / "schedstat").read_text().split())
                    sample |= {"writer": on_cpu / 1e9, "writer_ready": for_cpu / 1e9}
                    sample["writer_disk"] = (self.writer / "stat").read_text().rpartition(")")[2].split()[0] == "D"
                self.samples.append(sample)

    def used(self, since, until):
        """The use between two times: cores of the service, the generator and the whole machine; and the shares of the
        time in which the writer thread ran, waited for a core, and waited for the disk."""
        window = [sample for sample in self.samples if since <= sample["time"] <= until]
        if len(window) < 2:
            raise SystemExit("the run was too short to measure what it used")
        first, last = window[0], window[-1]
        seconds = last["time"] - first["time"]
        used = {
            name: round((last[name] - first[name]) / seconds, 3)
            for name in first
            if name not in ("time", "writer_disk")
        }
        if self.writer:
            used["writer_disk"] = round(sum(sample["writer_disk"] for sample in window) / len(window), 3)
        return used
