"""The machines of the test, run from the very files of ops/ha: three with etcd, Patroni and PostgreSQL, one with HAProxy, two
instances of the service.

It knows from etcd who the leader is. It changes no data and checks none. As root, none of its servers runs as root.
"""

import base64
import contextlib
import json
import os
import pathlib
import pwd
import secrets
import shlex
import string
import subprocess
import urllib.request

from machines import Node, Problem, Program, wait_for
from network import NODES

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "ops" / "ha"
SCOPE = "/service/orders"
INSTANCES = ("instance1", "instance2")
START_SECONDS_MAX = 90
ASK_SECONDS_MAX = 2


def environment_of(path):
    """The variables of a rendered environment file, as systemd reads it."""
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


class Cluster:
    """All machines. `folder` is a new one of ours, on the disk."""

    def __init__(self, network, servers, binary, folder, is_synchronous=True):
        self.network, self.servers, self.binary, self.folder = network, servers, binary, folder
        self.is_synchronous = is_synchronous
        self.passwords = {name: secrets.token_hex(16) for name in (
            "SUPERUSER_PASSWORD", "REPLICATION_PASSWORD", "REWIND_PASSWORD", "PATRONI_PASSWORD", "SERVICE_PASSWORD",
            "API_KEYS", "WEBHOOK_SECRET")}
        self.api_key, self.webhook_secret = self.passwords["API_KEYS"], self.passwords["WEBHOOK_SECRET"]
        self.user = unprivileged_user()
        self.give(folder)
        self.as_user = as_user(self.user)
        self.environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder), "PYTHONUNBUFFERED": "1"}
        if "LD_LIBRARY_PATH" in servers:
            self.environment["LD_LIBRARY_PATH"] = servers["LD_LIBRARY_PATH"]
        hosts = {f"{name.upper()}_HOST": host for name, host in network.hosts.items()}
        self.values = hosts | self.passwords | {
            "NODES_NETWORK": network.of_all, "CLIENTS_NETWORK": network.of_all,
            "POSTGRES_BIN_DIR": servers["POSTGRES_BIN_DIR"], "TLS_DIR": str(self.own_folder("tls")),
            # There is none, and a real one would restart the real machine.
            "WATCHDOG": "off"}
        network.set_up((TEMPLATES / "sysctl.conf").read_text())
        self.nodes = {name: self.node(name) for name in NODES}
        configuration = self.render("haproxy.cfg", self.values, "haproxy.cfg")
        self.haproxy = self.program("haproxy", [servers["HAPROXY"], "-db", "-f", str(configuration)], "haproxy")
        self.instances = {name: self.instance(name) for name in INSTANCES}

    # How the machines are made

    def own_folder(self, name):
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path

    def give(self, path):
        if self.user:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def render(self, name, values, target):
        """Writes a file of ops/ha with these values, as envsubst does; that one is missing is an error."""
        path = self.folder / target
        path.touch(mode=0o600)
        path.write_text(string.Template((TEMPLATES / name).read_text()).substitute(values))
        self.give(path)
        return path

    def program(self, machine, command, name, variables=()):
        command = [*self.network.inside(machine), *self.as_user, *command]
        return Program(name, command, self.environment | dict(variables), self.folder)

    def node(self, name):
        home = self.own_folder(name)
        data = home / "data"
        values = self.values | {
            "NODE_NAME": name, "NODE_HOST": self.network.hosts[name], "ETCD_DATA_DIR": str(home / "etcd"),
            "POSTGRES_DATA_DIR": str(data), "POSTGRES_SOCKET_DIR": str(home),
            "TLS_DIR": str(self.certificate(home, self.network.hosts[name]))}
        etcd = environment_of(self.render("etcd.env", values, f"{name}-etcd.env"))
        patroni = self.render("patroni.yml", values, f"{name}-patroni.yml")
        return Node(
            name, self.network.hosts[name], self.program(name, [self.servers["ETCD"]], f"{name}-etcd", etcd),
            self.program(name, [self.servers["PYTHON"], "-m", "patroni", str(patroni)], f"{name}-patroni"), data)

    def instance(self, name):
        values = self.values | {"INSTANCE_HOST": self.network.hosts[name]}
        variables = environment_of(self.render(f"{name}.env", values, f"{name}.env"))
        # A line for each request would be more to write than what is tested.
        variables |= {"RUST_LOG": "warn", "ALLOW_ASYNC_REPLICATION": str(not self.is_synchronous).lower()}
        return self.program(name, [self.binary], name, variables)

    def certificate(self, home, host):
        """A folder with the certificate of a node, which also stands for HAProxy, by an authority of our own."""
        authority, folder = pathlib.Path(self.values["TLS_DIR"]), home / "tls"
        folder.mkdir(mode=0o700)
        options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650".split()
        if not (authority / "ca.crt").exists():
            openssl(*options, "-subj", "/CN=orders", "-keyout", authority / "ca.key", "-out", authority / "ca.crt")
        openssl(*options, "-subj", f"/CN={host}", "-CA", authority / "ca.crt", "-CAkey", authority / "ca.key",
                "-addext", f"subjectAltName=IP:{host},IP:{self.network.hosts['haproxy']}",
                "-addext", "basicConstraints=critical,CA:FALSE",
                "-keyout", folder / "server.key", "-out", folder / "server.crt")
        (folder / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
        for path in [folder, *folder.iterdir(), *authority.iterdir()]:
            self.give(path)
        return folder

    # Start and end

    def start(self):
        for node in self.nodes.values():
            node.start()
        wait_for("etcd: no leader of its own", lambda: self.ask_etcd("/") is not None)
        wait_for("Patroni: three machines, two of them synchronous standbys", self.is_whole, 2 * START_SECONDS_MAX)
        self.make_database()
        if not self.is_synchronous:
            self.ask_patroni("PATCH", "config", {"synchronous_mode": False, "synchronous_mode_strict": False})
            wait_for("Patroni: asynchronous replication", lambda: not self.synchronous_standbys())
        self.haproxy.start()
        wait_for("the service: both instances are ready", self.are_instances_ready)

    def are_instances_ready(self):
        """Starts those that do not run, as systemd's Restart=on-failure does: they refuse to start without a leader."""
        for instance in self.instances.values():
            if not instance.is_running():
                instance.start()
        return self.is_served()

    def make_database(self):
        """Runs ops/ha/database.sql on the leader, as its operator does."""
        leader = self.nodes[self.leader()]
        script = self.render("database.sql", self.values, "database.sql")
        psql = [self.servers["POSTGRES_BIN_DIR"] + "/psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
                f"--host={leader.data.parent}", "--username=postgres", f"--file={script}", "postgres"]
        done = subprocess.run([*self.as_user, *psql], env=self.environment | {"PGPASSWORD": self.passwords["SUPERUSER_PASSWORD"]},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Problem(f"database.sql: {done.stderr}")

    def stop(self):
        """Ends everything; the names of instances that did not end by themselves."""
        stuck = [name for name, instance in self.instances.items() if not instance.stop()]
        if self.haproxy.process:
            self.haproxy.kill()
        for node in self.nodes.values():
            # PostgreSQL needs nothing of what it keeps, so it need not end in good order.
            node.kill()
        return stuck

    # What is known of it

    def ask_etcd(self, prefix):
        """All keys under this prefix, from whichever member answers; None where there is no majority."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        encoded = {name: base64.b64encode(key.encode()).decode() for name, key in (("key", prefix), ("range_end", end))}
        for node in self.nodes.values():
            with contextlib.suppress(OSError, ValueError):
                answer = fetch(f"http://{node.host}:2379/v3/kv/range", encoded)
                pairs = json.loads(answer).get("kvs", [])
                return {base64.b64decode(pair["key"]).decode(): base64.b64decode(pair.get("value", "")).decode() for pair in pairs}
        return None

    def leader_and_standbys(self):
        """The leader, or None, and its synchronous standbys: those of which one has each commit, as far as etcd knows."""
        keys = self.ask_etcd(SCOPE + "/") or {}
        leader, sync = keys.get(f"{SCOPE}/leader"), json.loads(keys.get(f"{SCOPE}/sync") or "{}")
        standbys = sync.get("sync_standby") if leader and sync.get("leader") == leader else None
        return leader, sorted(standbys.split(",")) if standbys else []

    def leader(self):
        return self.leader_and_standbys()[0]

    def synchronous_standbys(self):
        return self.leader_and_standbys()[1]

    def is_whole(self):
        """Whether all three machines take part: etcd has a leader and its synchronous standbys, all are on the leader's timeline,
        and the leader says that both others copy from it. What a machine says in etcd of itself outlives it for a while, and
        a former leader may copy for a moment before it is rewound; so both are asked."""
        members = self.ask_etcd(f"{SCOPE}/members/") or {}
        leader, standbys = self.leader_and_standbys()
        timelines = {json.loads(member).get("timeline") for member in members.values()}
        if leader is None or len(timelines) != 1:
            return False
        others = self.nodes.keys() - {leader}
        try:
            says = json.loads(fetch(f"http://{self.nodes[leader].host}:8008/patroni"))
        except (OSError, ValueError):
            return False
        copies = {one["application_name"]: one["sync_state"] for one in says.get("replication", []) if one["state"] == "streaming"}
        return (says["role"] == "primary" and copies.keys() == others
                and (not self.is_synchronous or (set(standbys) == others and set(copies.values()) == {"quorum"}))
                and all(answers(f"http://{node.host}:2379/health") for node in self.nodes.values()))

    def addresses(self):
        """Where clients of the service go: each instance, and HAProxy in front of both."""
        direct = {name: f"http://{self.network.hosts[name]}:8080" for name in INSTANCES}
        return direct | {"haproxy": f"http://{self.network.hosts['haproxy']}:8080"}

    def is_served(self):
        return all(answers(f"{address}/readyz") for address in self.addresses().values())

    def switch_over(self):
        """Asks the leader to give way to a standby, in good order."""
        leader, standbys = self.leader_and_standbys()
        self.ask_patroni("POST", "switchover", {"leader": leader, "candidate": standbys[0]})

    def ask_patroni(self, method, what, body):
        login = base64.b64encode(f"patroni:{self.passwords['PATRONI_PASSWORD']}".encode()).decode()
        fetch(f"http://{self.nodes[self.leader()].host}:8008/{what}", body, {"Authorization": f"Basic {login}"}, START_SECONDS_MAX, method)

    def audit(self):
        """The service's own audit of its books: None where it is clean, else what it says."""
        done = subprocess.run([*self.as_user, self.binary, "audit"], env=self.instances["instance2"].environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else f"status {done.returncode}: {done.stdout[-1000:]}{done.stderr[-1000:]}"

    def logs(self):
        programs = [self.haproxy, *self.instances.values()]
        for node in self.nodes.values():
            programs += [node.patroni, node.etcd]
        return [program.log for program in programs]


def fetch(url, body=None, headers=(), seconds=ASK_SECONDS_MAX, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} | dict(headers), method=method)
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        return answer.read()


def answers(url):
    try:
        fetch(url)
    except OSError:
        return False
    return True


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"openssl: {done.stderr}")


def unprivileged_user():
    """Who the servers run as where we are root, for PostgreSQL refuses to be; None where we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Problem("there is neither a user postgres nor nobody to run servers as")


def as_user(user):
    """The start of a command that runs as this user, who may read files of ours: this folder may be below root's home."""
    if user is None:
        return []
    start = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    for capability in ("dac_read_search", "dac_override"):
        command = [*start, f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
        if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return command
    return start
