#!/usr/bin/env python3
"""Builds the image and runs it, then runs the systemd unit under a real systemd: tests/deploy/rehearse.py

It needs root on Debian, and its podman, buildah, runc and debootstrap. The images that the Dockerfile begins with are not
pulled: `debian:bookworm-slim` is made by debootstrap, and the one of Rust from it, a C compiler and this machine's toolchain.
Everything is below target/image-rehearsal, where a second run finds it. The containers have no network; requests come from
within their network namespaces. Ends at the first failed step.
"""

import contextlib
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import time

import yaml
from files import ROOT, instructions

FOLDER = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "image-rehearsal"
# Storage and build caches of its own, so that images of the machine stay as they are.
ENVIRONMENT = os.environ | {"CONTAINERS_STORAGE_CONF": str(FOLDER / "storage.conf"), "TMPDIR": str(FOLDER / "tmp")}
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{0}/storage"\nrunroot = "{0}/run"\n'
RUST, DEBIAN = (words.split()[0] for name, words in instructions((ROOT / "Dockerfile").read_text()) if name == "FROM")
SYSTEMD, IMAGE = "orders-inventory-systemd", "orders-inventory"
# What Debian's image of Rust has beside the toolchain.
BUILD_PACKAGES, SYSTEMD_PACKAGES = ["ca-certificates", "gcc", "libc6-dev"], ["sudo", "systemd"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ["podman", "buildah", "runc", "debootstrap"]
STOP_SECONDS_MAX, READY_SECONDS_MAX = 5, 30
SECRETS = {"API_KEYS": "rehearsal-key", "WEBHOOK_SECRET": "rehearsal-secret"}
# What the kernel says of a process without any capability, which cannot get one, and with a filter of system calls.
RESTRICTED = {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
# runc, since Debian's crun refuses machines with both versions of control groups.
PODMAN = ["podman", "--runtime", "runc"]


def run(*command, fails=False, **options):
    """Runs a command that must succeed, or fail; returns its output."""
    options |= {"env": ENVIRONMENT, "text": True, "capture_output": True, "stdin": subprocess.DEVNULL}
    done = subprocess.run([*map(str, command)], **options)
    if (done.returncode != 0) != fails:
        sys.exit(f"FAILED  {' '.join(map(str, command))}: status {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.strip()


def ok(step):
    print(f"ok      {step}", flush=True)


def expect(holds, step):
    ok(step) if holds else sys.exit(f"FAILED  {step}")


def limits():
    """At most what this machine allows root, which podman would exceed."""
    wanted = {"nofile": (resource.RLIMIT_NOFILE, 16384), "nproc": (resource.RLIMIT_NPROC, 4096)}
    allowed = {name: (resource.getrlimit(kind)[1], most) for name, (kind, most) in wanted.items()}
    return [f"--ulimit={name}={most if hard < 0 else min(hard, most)}" for name, (hard, most) in allowed.items()]


def build(tag, file, *options, folder=ROOT):
    command = ["buildah", "bud", "--isolation=chroot", "--format=docker", "--pull-never", "--network=host", *options]
    run(*command, f"--tag={tag}", f"--file={file}", folder)


def make_bases():
    if subprocess.run(["buildah", "inspect", "--type=image", DEBIAN], env=ENVIRONMENT, capture_output=True).returncode != 0:
        run("debootstrap", "--variant=minbase", "bookworm", FOLDER / "debian")
        (FOLDER / "Debian").write_text("FROM scratch\nCOPY debian /\n")
        build(DEBIAN, FOLDER / "Debian", folder=FOLDER)
    install = "apt-get update -q=2 && apt-get install -y -q=2 --no-install-recommends"
    # The authorities that this machine trusts may be others than Debian's.
    rust = [f"RUN {install} {' '.join(BUILD_PACKAGES)}", "COPY ca-certificates.crt /etc/ssl/certs/",
            f"ENV CARGO_HOME=/usr/local/cargo PATH=/toolchain/bin:{PATH}"]
    (FOLDER / "ca-certificates.crt").write_bytes(pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_bytes())
    for tag, lines in {RUST: rust, SYSTEMD: [f"RUN {install} {' '.join(SYSTEMD_PACKAGES)}"]}.items():
        (FOLDER / "Base").write_text("\n".join([f"FROM {DEBIAN}", *lines]) + "\n")
        build(tag, FOLDER / "Base", "--layers", folder=FOLDER)
    ok(f"base images: {DEBIAN} by debootstrap, {RUST} with {', '.join(BUILD_PACKAGES)} and this machine's toolchain")


def build_image():
    toolchain, started = run("rustc", "--print", "sysroot", cwd=ROOT), time.monotonic()
    build(IMAGE, ROOT / "Dockerfile", f"--volume={toolchain}:/toolchain:ro")
    [image] = json.loads(run(*PODMAN, "image", "inspect", IMAGE))
    config = image["Config"]
    size = image["Size"] - json.loads(run(*PODMAN, "image", "inspect", DEBIAN))[0]["Size"]
    ok(f"image: built in {time.monotonic() - started:.0f} s, {size / 1e6:.0f} MB more than its base; user {config['User']}, "
       f"volume {[*config['Volumes']]}")


class Container:
    """A container that ends with the block."""

    def __init__(self, image, *options, command=()):
        self.name = f"rehearsal-{os.getpid()}-{image}"
        self.create = [*PODMAN, "create", f"--name={self.name}", "--network=none", *limits(), *options, image, *command]

    def __enter__(self):
        run(*self.create)
        self.start()
        return self

    def __exit__(self, *_):
        subprocess.run([*PODMAN, "rm", "--force", "--time=1", self.name], env=ENVIRONMENT, capture_output=True)

    def start(self):
        run(*PODMAN, "start", self.name)
        self.pid = run(*PODMAN, "inspect", "--format={{.State.Pid}}", self.name)

    def exec(self, *command, **options):
        return run(*PODMAN, "exec", self.name, *command, **options)

    def here(self, *command, **options):
        """Runs a program of this machine in the container's network."""
        return run("nsenter", f"--target={self.pid}", "--net", *command, **options)

    def get(self, path, port=8080):
        key = f"X-API-Key: {SECRETS['API_KEYS']}"
        return self.here("curl", "--silent", "--fail", "--header", key, f"http://127.0.0.1:{port}{path}")

    def eventually(self, step, ask):
        """Repeats what may fail until it succeeds."""
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until:
            with contextlib.suppress(SystemExit):
                return ask()
            time.sleep(0.1)
        sys.exit(f"FAILED  {step}\n{run(*PODMAN, 'logs', self.name)}")

    def becomes_ready(self, step):
        self.eventually(f"{step}: not ready", lambda: self.get("/readyz"))

    def smoke(self):
        """A day of the shop; returns the order that remains."""
        variables = [f"API_KEY={SECRETS['API_KEYS']}", f"WEBHOOK_SECRET={SECRETS['WEBHOOK_SECRET']}"]
        said = self.here("env", *variables, sys.executable, ROOT / "tests/smoke.py")
        return json.loads(said[said.index("{\n"):])

    def has(self, order, step):
        self.becomes_ready(step)
        there = json.loads(self.get(f"/orders/{order['id']}"))
        expect(there == order, f"{step}: order {order['id']} is the same, {order['status']}")


def in_time(step, stop):
    started = time.monotonic()
    stop()
    seconds = time.monotonic() - started
    expect(seconds < STOP_SECONDS_MAX, f"{step}: ended {seconds:.1f} s after SIGTERM")


def restrictions(status):
    """What the kernel says of a process."""
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return {name: found[name].split()[0] for name in ["Uid", *RESTRICTED]}


def rehearse_image():
    service = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["service"]
    # The options that Docker's client would get for compose.yaml. No `--read-only-tmpfs`: podman's way to soften `--read-only`.
    hardened = ["--read-only", "--read-only-tmpfs=false", *(f"--cap-drop={name}" for name in service["cap_drop"]),
                *(f"--security-opt={option.removesuffix(':true')}" for option in service["security_opt"]),
                *(f"--tmpfs={place}" for place in service["tmpfs"]),
                f"--stop-timeout={service['stop_grace_period'].removesuffix('s')}"]
    options = [*hardened, "--health-interval=disable", f"--volume=rehearsal-{os.getpid()}:/data",
               *(f"--env={name}={value}" for name, value in SECRETS.items())]
    try:
        with Container(IMAGE, *options) as container:
            container.becomes_ready("image")
            kernel = restrictions(pathlib.Path(f"/proc/{container.pid}/status").read_text())
            expect(kernel == RESTRICTED | {"Uid": "10001"}, f"image: runs with {kernel}")
            container.exec("touch", "/usr/file", fails=True)
            container.exec("touch", "/data/file")
            ok("image: the root is read-only, the volume is not")
            run(*PODMAN, "healthcheck", "run", container.name)
            ok("image: the health check passes")
            order = container.smoke()
            ok(f"image: tests/smoke.py passes and leaves order {order['id']}")
            # As docs/deploy.md has it.
            container.exec("orders-inventory", "backup", "/data/backup.db")
            copy = FOLDER / "copy.db"
            run(*PODMAN, "cp", f"{container.name}:/data/backup.db", copy)
            copy.chmod(0o644)
            container.exec("rm", "/data/backup.db")
            container.exec("orders-inventory", "audit")
            ok("image: backup and audit beside the service")
            in_time("image", lambda: run(*PODMAN, "stop", container.name))
            status = run(*PODMAN, "inspect", "--format={{.State.ExitCode}}", container.name)
            expect(status == "0", f"image: status {status}")
            container.start()
            container.has(order, "image, started again")
            run(*PODMAN, "stop", container.name)
            restoring = ["--rm", "--network=none", *limits(), *options, f"--volume={copy}:/backup.db:ro"]
            run(*PODMAN, "run", *restoring, IMAGE, "restore", "/backup.db")
            container.start()
            container.has(order, "image, after restore")
            container.exec("rm", "/data/orders-inventory.db.replaced-1")
            # Without its database the service is not ready.
            container.exec("rm", "/data/orders-inventory.db")
            check = [*PODMAN, "healthcheck", "run", container.name]
            container.eventually("image: the health check passes without a database", lambda: run(*check, fails=True))
            ok("image: the health check fails when the database is removed")
    finally:
        run(*PODMAN, "volume", "rm", "--force", f"rehearsal-{os.getpid()}")


def rehearse_unit():
    binary = FOLDER / "orders-inventory"
    image = run("buildah", "from", "--pull-never", IMAGE)
    binary.write_bytes((pathlib.Path(run("buildah", "mount", image)) / "usr/local/bin/orders-inventory").read_bytes())
    run("buildah", "rm", image)
    with Container(SYSTEMD, "--privileged", "--systemd=always", command=["/lib/systemd/systemd"]) as machine:
        machine.eventually("unit: systemd does not answer", lambda: machine.exec("systemctl", "show", "--property=Version"))
        # As docs/deploy.md has it.
        for source, target in [(binary, "/usr/local/bin/"), (ROOT / "ops/orders-inventory.service", "/etc/systemd/system/")]:
            run(*PODMAN, "cp", source, f"{machine.name}:{target}")
        machine.exec("chmod", "755", "/usr/local/bin/orders-inventory")
        settings = "".join(f"{name}={value}\\n" for name, value in (SECRETS | {"METRICS_ADDR": "127.0.0.1:9464"}).items())
        machine.exec("sh", "-c", f"umask 077; printf '{settings}' >/etc/orders-inventory.env")
        machine.exec("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "orders-inventory")
        machine.exec("systemctl", "enable", "--now", "orders-inventory")
        machine.becomes_ready("unit")

        def pid():
            return machine.exec("systemctl", "show", "--property=MainPID", "--value", "orders-inventory")

        kernel = restrictions(machine.exec("cat", f"/proc/{pid()}/status"))
        expect(kernel == RESTRICTED | {"Uid": kernel["Uid"]} and kernel["Uid"] != "0", f"unit: runs with {kernel}")
        machine.exec("nsenter", f"--target={pid()}", "--mount", "touch", "/usr/file", fails=True)
        ok("unit: the system is read-only to the service")
        order = machine.smoke()
        ok(f"unit: tests/smoke.py passes and leaves order {order['id']}")
        metrics = dict(line.split(" ") for line in machine.get("/metrics", 9464).splitlines() if line.startswith("process_"))
        age = time.time() - float(metrics["process_start_time_seconds"])
        known = 0 <= age < 600 and metrics["process_max_fds"] == "16384"
        expect(known, f"unit: the metrics know the start, {age:.0f} s ago, and the limit of files")
        before = pid()
        machine.exec("systemctl", "kill", "--signal=KILL", "orders-inventory")
        machine.has(order, "unit, killed and started by systemd")
        expect(pid() != before, "unit: it is another process")
        database = "DATABASE_URL=sqlite:///var/lib/orders-inventory/orders-inventory.db"
        as_shop = ["sudo", "-u", "orders-inventory", database, "orders-inventory"]
        machine.exec(*as_shop, "backup", "/var/lib/orders-inventory/backup.db")
        machine.exec(*as_shop, "audit")
        machine.exec("mv", "/var/lib/orders-inventory/backup.db", "/root/orders.db")
        ok("unit: backup and audit beside the service, as its user")
        in_time("unit", lambda: machine.exec("systemctl", "stop", "orders-inventory"))
        result = machine.exec("systemctl", "show", "--property=Result,ExecMainStatus", "--value", "orders-inventory").split()
        expect(sorted(result) == ["0", "success"], f"unit: ended with {' '.join(result)}")
        machine.exec("install", "-o", "orders-inventory", "-m", "600", "/root/orders.db", "/var/lib/orders-inventory/restore.db")
        machine.exec(*as_shop, "restore", "/var/lib/orders-inventory/restore.db")
        machine.exec("systemctl", "start", "orders-inventory")
        machine.has(order, "unit, after restore")
        machine.exec("rm", "/var/lib/orders-inventory/orders-inventory.db.replaced-1")


def main():
    if os.getuid() != 0 or not all(map(shutil.which, TOOLS)):
        sys.exit(f"The rehearsal needs root on Debian, and: apt-get install --no-install-recommends {' '.join(TOOLS)}")
    (FOLDER / "tmp").mkdir(parents=True, exist_ok=True)
    (FOLDER / "storage.conf").write_text(STORAGE.format(FOLDER))
    make_bases()
    build_image()
    rehearse_image()
    rehearse_unit()
    print("passed")


if __name__ == "__main__":
    main()
