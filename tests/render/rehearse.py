#!/usr/bin/env python3
"""Rehearses a deployment by render.yaml on this machine: clone, build, start, health check, stop, start again.

    tests/render/rehearse.py                     everything, from a clean clone of HEAD; takes minutes for the release build
    tests/render/rehearse.py --transcript FILE   the same, and writes its output to FILE
    tests/render/rehearse.py --fast              the render.yaml of this folder, with the binary at $BIN instead of a build
    tests/render/rehearse.py --postgres          render-postgres.yaml (rehearse_postgres.py says how)

Commands, variables and paths come from render.yaml; of the environment only the variables that find the toolchain are
passed on. CARGO_TARGET_DIR, if set, becomes the clone's target folder, so that a build can be reused. Three values replace
Render's: a free port for 10000, generated values for generateValue, and a temporary folder for the disk, whose mount path
is replaced in the variables. Ends at the first failed step.
"""

import argparse
import base64
import contextlib
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import platform
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import blueprint

ROOT = blueprint.ROOT
HEALTH_SECONDS_MAX = 5  # Render's limit for one answer
LIVE_SECONDS_MAX = 60  # Render tries for 15 minutes; this service must need less than one
REFUSE_SECONDS_MAX = 10
BUILD_SECONDS_MAX = 45 * 60
# Variables with which the build finds the toolchain and the registry; the service may see them, too.
BUILD_VARIABLES = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_AUTO_INSTALL", "RUSTUP_DIST_SERVER",
                   "CARGO_NET_OFFLINE", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE"]
# Standard output and error of a command, as one text.
TOGETHER = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True,
            "check": False}
RUN_VARIABLES = ["PATH", "HOME"]
NOT_ON_DISK = "not on a disk"  # the service's warning at start where the next deploy would delete its database


def generated(service):
    """Values for the variables that Render generates: 256 random bits in base64."""
    return {entry["key"]: base64.b64encode(secrets.token_bytes(32)).decode()
            for entry in service["envVars"] if entry.get("generateValue")}


class Rehearsal:
    """An instance of the service, and what is to be true of it. Without a disk in the blueprint `disk` stays empty."""

    def __init__(self, service, source, disk, commit, name="log"):
        self.service, self.source, self.disk = service, source, disk
        self.lines, self.process, self.log = [], None, source.parent / name
        self.port = free_port()
        self.generated = generated(service)
        mount = service.get("disk", {}).get("mountPath")
        written = {entry["key"]: entry["value"].replace(mount, str(disk)) if mount else entry["value"]
                   for entry in service["envVars"] if "value" in entry}
        host = f"{service['name']}.onrender.com"
        self.of_render = {
            "RENDER": "true", "RENDER_SERVICE_TYPE": "web", "RENDER_SERVICE_NAME": service["name"],
            "RENDER_EXTERNAL_HOSTNAME": host, "RENDER_EXTERNAL_URL": f"https://{host}", "RENDER_GIT_COMMIT": commit,
            "IS_PULL_REQUEST": "false", "PORT": str(self.port), "ROCKET_PORT": "10000",
        }
        self.variables = self.of_render | written | self.generated

    @property
    def secret_values(self):
        return list(self.generated.values())

    def say(self, line):
        for value in self.secret_values:
            line = line.replace(value, "(secret)")
        places = {self.disk: "<disk>", self.source: "<source>", self.source.parent: "<temporary>", ROOT: "<repository>"}
        for place, name in places.items():
            line = line.replace(str(place), name)
        self.lines.append(line)
        print(line, flush=True)

    def ok(self, step):
        self.say(f"ok      {step}")

    def fail(self, step):
        self.say(f"FAILED  {step}")
        if self.log.exists():
            self.say("".join(f"        | {line}\n" for line in self.log.read_text(errors="replace").splitlines()[-20:]))
        raise SystemExit(1)

    def environment(self, inherited, without=()):
        kept = {name: os.environ[name] for name in inherited if name in os.environ}
        return {name: value for name, value in (kept | self.variables).items() if name not in without}

    def command(self, command, seconds, inherited=RUN_VARIABLES):
        """Runs a command in the source folder, as Render's shell does."""
        environment = self.environment(inherited)
        return subprocess.run(["bash", "-c", command], cwd=self.source, env=environment, timeout=seconds, **TOGETHER)

    # Build

    def build(self):
        command, started = self.service["buildCommand"], time.monotonic()
        # The build has the settings and not the disk.
        built = self.command(command, BUILD_SECONDS_MAX, BUILD_VARIABLES)
        if built.returncode != 0:
            self.say(built.stdout[-4000:])
            self.fail(f"build: {command} ended with status {built.returncode}")
        if any(self.disk.iterdir()):
            self.fail("build: it wrote to the disk, which Render does not have then")
        compiled = built.stdout.count(" Compiling ")
        toolchain = self.command("cargo --version", 60, BUILD_VARIABLES).stdout.strip()
        self.ok(f"build: {command}: {compiled} crates in {time.monotonic() - started:.0f} s, by {toolchain}")

    # Start and stop

    def start(self, without=()):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["bash", "-c", self.service["startCommand"]], cwd=self.source,
                                            env=self.environment(RUN_VARIABLES, without), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)

    def refuses_without(self, variable):
        before = self.log.stat().st_size if self.log.exists() else 0
        self.start(without=[variable])
        try:
            status = self.process.wait(REFUSE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.fail(f"no {variable}: it serves all the same")
        line = self.log.read_text()[before:].strip()
        if status == 0 or variable not in line or "\n" in line:
            self.fail(f"no {variable}: it ended with status {status} and said: {line}")
        self.is_untouched(variable)
        self.ok(f"no {variable}: refuses to start, with status {status}: {line}")

    def is_untouched(self, variable):
        if any(self.disk.iterdir()):
            self.fail(f"no {variable}: it touched the disk before it refused")

    def goes_live(self, step):
        self.start()
        self.is_live(step)

    def is_live(self, step):
        """Waits until a started service is healthy."""
        started = time.monotonic()
        path, host = self.service["healthCheckPath"], self.of_render["RENDER_EXTERNAL_HOSTNAME"]
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                asked = time.monotonic()
                status, _ = self.get(path, {"Host": host})
                if 200 <= status < 400:
                    break
            if self.process.poll() is not None:
                self.fail(f"{step}: it ended with status {self.process.returncode}")
            if time.monotonic() - started > LIVE_SECONDS_MAX:
                self.fail(f"{step}: no healthy answer in {LIVE_SECONDS_MAX} s")
            time.sleep(0.05)
        answered = time.monotonic()
        self.ok(f"{step}: {self.service['startCommand']}: GET {path} is {status} after {(answered - started) * 1000:.0f} "
                f"ms, the answer took {(answered - asked) * 1000:.0f} ms of {HEALTH_SECONDS_MAX} s")

    def stops(self, step):
        limit, idle = self.service["maxShutdownDelaySeconds"], http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        # Render's proxy keeps idle connections open.
        idle.request("GET", self.service["healthCheckPath"])
        idle.getresponse().read()
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.fail(f"{step}: it still runs {limit} s after SIGTERM, where Render would kill it")
        finally:
            idle.close()
        if status != 0:
            self.fail(f"{step}: it ended with status {status} after SIGTERM")
        seconds = time.monotonic() - started
        self.ok(f"{step}: status 0, {seconds:.2f} s after SIGTERM, with a connection open; Render waits {limit} s")

    def get(self, path, headers=None, host="127.0.0.1"):
        connection = http.client.HTTPConnection(host, self.port, timeout=HEALTH_SECONDS_MAX)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    # What must be true of a running service

    def is_reached_from_outside(self):
        # On Linux all of 127/8 is this machine, but a socket bound to 127.0.0.1 is reachable only there.
        if sys.platform != "linux":
            return
        try:
            self.get(self.service["healthCheckPath"], host="127.0.0.2")
        except OSError as error:
            self.fail(f"it listens on 127.0.0.1 only, where Render's proxy is not: {error}")
        self.ok("it answers on another address than 127.0.0.1, too")

    def smoke(self):
        """Runs the smoke test; returns the order that remains."""
        environment = {name: os.environ[name] for name in RUN_VARIABLES if name in os.environ} | {
            "BASE_URL": f"http://127.0.0.1:{self.port}", "API_KEY": self.generated["API_KEYS"],
            "WEBHOOK_SECRET": self.generated["WEBHOOK_SECRET"]}
        client = [sys.executable, self.source / "tests" / "smoke.py"]
        ran = subprocess.run(client, env=environment, timeout=120, **TOGETHER)
        steps = [line for line in ran.stdout.splitlines() if line.startswith("ok ")]
        if ran.returncode != 0 or not steps:
            self.say(ran.stdout)
            self.fail(f"smoke: ended with status {ran.returncode}")
        order = json.loads(ran.stdout[ran.stdout.index("{\n"):])
        self.ok(f"smoke: tests/smoke.py passes {len(steps)} steps and leaves order {order['id']}, {order['status']}")
        return order

    def has_order(self, step, order):
        path = f"/orders/{order['id']}"
        status, _ = self.get(path)
        if status != 401:
            self.fail(f"{step}: GET {path} without a key is {status}, not 401")
        status, body = self.get(path, {"X-API-Key": self.generated["API_KEYS"]})
        if status != 200 or json.loads(body) != order:
            self.fail(f"{step}: GET {path} is {status}: {body}; it was {order}")
        self.ok(f"{step}: GET {path} is the same {order['status']} order as before; without a key it is 401")

    def has_backup_and_audit(self):
        """The commands of docs/deploy-render.md for Render's shell, while the service runs; returns the backup."""
        binary, copy = self.service["startCommand"], self.disk / "backup.db"
        for command in [f"{binary} audit", f"{binary} backup {shlex.quote(str(copy))}",
                        f"DATABASE_URL=sqlite://{shlex.quote(str(copy))} {binary} audit"]:
            ran = self.command(command, 60)
            if ran.returncode != 0:
                self.fail(f"shell: {command} ended with status {ran.returncode}: {ran.stdout}")
            said = ran.stdout.strip().splitlines()
            self.ok(f"shell: {command}: {said[0] if len(said) == 1 else f'{len(said)} lines, the last: {said[-1]}'}")
        return copy

    def restores(self, copy, order):
        """The restore of the same document: a deploy whose start command puts the backup in the database's place, once."""
        command = self.service["startCommand"]
        restored = copy.with_name("restored.db")
        # A relative path starts where the service does.
        database = self.source / self.variables["DATABASE_URL"].removeprefix("sqlite://")
        self.service["startCommand"] = f"{command} restore {copy} && mv {copy} {restored}; exec {command}"
        for step in ["restore", "restart after it"]:
            self.goes_live(step)
            self.has_order(step, order)
            self.stops(step)
        if not pathlib.Path(f"{database}.replaced-1").exists() or pathlib.Path(f"{database}.replaced-2").exists():
            self.fail("restore: the old database was not set aside once")
        self.service["startCommand"] = command

    def left_nothing_beside_the_disk(self, before):
        self.left_nothing(before)
        on_disk = sorted(file.name for file in self.disk.iterdir())
        self.ok(f"nothing was written beside the disk; on it: {', '.join(on_disk)}")

    def left_nothing(self, before):
        new = sorted(files(self.source) - before)
        if new:
            self.fail(f"it wrote beside the disk, where the next deploy would lose it: {', '.join(map(str, new))}")

    def logs_well(self):
        text = self.log.read_text()
        if any(value in text for value in self.secret_values):
            self.fail("log: a secret is in it")
        entries = [line for line in text.splitlines() if line.startswith("{")]
        if not entries or not all("message" in json.loads(line) for line in entries):
            self.fail("log: not one JSON object a line")
        self.ok(f"log: {len(entries)} lines are JSON; no secret is in it")

    def warns_without_a_disk(self):
        """Checks the warning without a disk, as on a free instance, and that there is none with a mounted disk."""
        del self.variables["DATABASE_URL"]
        warning = self.says_at_start("no disk")
        if warning is None:
            self.fail("no disk: it does not say that the next deploy takes the database away")
        self.ok(f"no disk: it says: {warning}")
        mounted = pathlib.Path("/dev/shm")
        if mounted.is_dir() and mounted.stat().st_dev not in {pathlib.Path("/").stat().st_dev, self.source.stat().st_dev}:
            with tempfile.TemporaryDirectory(dir=mounted) as folder:
                self.variables["DATABASE_URL"] = f"sqlite://{folder}/orders-inventory.db"
                if (warning := self.says_at_start("mounted")) is not None:
                    self.fail(f"mounted: it says all the same: {warning}")
            self.ok("mounted: on a file system of its own it says nothing of it")

    def says_at_start(self, step):
        """Starts once; returns the logged warning about the disk, if any."""
        before = self.log.stat().st_size
        self.goes_live(step)
        self.stops(step)
        entries = [json.loads(line) for line in self.log.read_text()[before:].splitlines() if line.startswith("{")]
        warnings = [entry["message"] for entry in entries if entry.get("level") == "WARN"]
        return next((warning for warning in warnings if NOT_ON_DISK in warning), None)

    def kill(self):
        """Kills the processes of the last start, if any are left."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def files(folder):
    """Every file below a folder, except for build output and Python's caches."""
    return {file.relative_to(folder) for top in folder.iterdir() if top.name not in {"target", ".git"}
            for file in ([top] if top.is_file() else top.rglob("*")) if "__pycache__" not in file.parts}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def lay_out(folder, binary):
    """The source folder as Render has it before the build: a clone of HEAD; with a binary, only what a rehearsal needs."""
    source = folder / "src"
    if binary:
        (source / "tests").mkdir(parents=True)
        (source / "target" / "release").mkdir(parents=True)
        (source / "target" / "release" / "orders-inventory").symlink_to(binary.resolve())
        shutil.copy(ROOT / "tests" / "smoke.py", source / "tests")
        for file in [blueprint.FILE, blueprint.POSTGRES_FILE]:
            shutil.copy(file, source)
        return source
    subprocess.run(["git", "clone", "--quiet", "--no-local", str(ROOT), str(source)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", git("rev-parse", "HEAD")], cwd=source, check=True)
    if os.environ.get("CARGO_TARGET_DIR"):
        (source / "target").symlink_to(pathlib.Path(os.environ["CARGO_TARGET_DIR"]).resolve())
    return source


def head(rehearsal, file, fast, commit, places):
    """Says what is rehearsed, and which places stand in for Render's."""
    machine = f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()} {platform.release()}"
    kind = "the fast kind: this folder, a binary that was there, no build" if fast else "a clean clone"
    now = datetime.datetime.now(datetime.timezone.utc)
    rehearsal.say("A rehearsal of the deployment on a local machine, by make render-rehearsal. Nothing here is from Render.")
    rehearsal.say(f"{now:%Y-%m-%d %H:%M} UTC; commit {commit[:12]}; {kind}; {machine}")
    digest = hashlib.sha256((rehearsal.source / file.name).read_bytes()).hexdigest()
    rehearsal.say(f"{file.name} has SHA-256 {digest[:16]}…; {places}")
    if not fast and os.environ.get("CARGO_TARGET_DIR"):
        rehearsal.say("CARGO_TARGET_DIR is the target folder: what was built before is not built again")


def rehearse(rehearsal, fast):
    if not fast:
        rehearsal.build()
    before = files(rehearsal.source)
    for variable in sorted(rehearsal.generated):
        rehearsal.refuses_without(variable)
    rehearsal.goes_live("first deploy")
    rehearsal.is_reached_from_outside()
    order = rehearsal.smoke()
    copy = rehearsal.has_backup_and_audit()
    rehearsal.stops("next deploy")
    rehearsal.goes_live("next deploy")
    rehearsal.has_order("next deploy", order)
    rehearsal.stops("end")
    rehearsal.restores(copy, order)
    rehearsal.left_nothing_beside_the_disk(before)
    rehearsal.logs_well()
    rehearsal.warns_without_a_disk()
    rehearsal.say("passed")


@contextlib.contextmanager
def on_a_disk(service, _database, source, commit):
    """The rehearsal of render.yaml, its places, and its steps."""
    (disk := source.parent / "disk").mkdir()
    rehearsal = Rehearsal(service, source, disk, commit)
    places = (f"port {rehearsal.port} stands in for 10000, <disk>, a temporary folder,"
              f" for {service['disk']['mountPath']}")
    try:
        yield rehearsal, places, rehearse
    finally:
        rehearsal.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="the binary at $BIN in place of a clone and a build")
    parser.add_argument("--postgres", action="store_true", help="render-postgres.yaml in place of render.yaml")
    parser.add_argument("--transcript", type=pathlib.Path, help="keeps what was printed, also of a rehearsal that failed")
    options = parser.parse_args()
    if options.fast and not os.environ.get("BIN"):
        parser.error("--fast needs BIN, the path of orders-inventory")
    binary = pathlib.Path(os.environ["BIN"]) if options.fast else None
    file, kind = blueprint.FILE, on_a_disk
    if options.postgres:
        # Not above: it builds on this module.
        import rehearse_postgres
        file, kind = blueprint.POSTGRES_FILE, rehearse_postgres.on_a_database
    # SIGTERM to the rehearsal stops the service, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as temporary:
        folder, commit = pathlib.Path(temporary).resolve(), git("rev-parse", "HEAD")
        source = lay_out(folder, binary)
        service, database, wrong = blueprint.read((source / file.name).read_text(encoding="utf-8"))
        if wrong:
            sys.exit(f"{file.name}: {wrong[0][1]}")
        with kind(service, database, source, commit) as (rehearsal, places, steps):
            try:
                head(rehearsal, file, options.fast, commit, places)
                steps(rehearsal, options.fast)
            finally:
                if options.transcript:
                    options.transcript.write_text("\n".join(rehearsal.lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    # `rehearse_postgres` imports this module by its name, and must find this one.
    sys.modules["rehearse"] = sys.modules["__main__"]
    main()
