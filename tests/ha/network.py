"""The network of the test: an address for each machine, and a cable that can be cut.

Where Linux lets us, each machine of PostgreSQL has a network namespace of its own, joined to the test's by a bridge, and all of
it is in namespaces that vanish with the test: nothing of the host's network is touched, no port can be taken, and every
process ends when the test does. Root may make them, and so may others where user namespaces are allowed.

Elsewhere all machines are addresses of the loopback interface, and no machine can be cut off.
"""

import os
import subprocess
import sys

# The last part of the address of each machine. The ports are the usual ones, as in ops/ha.
ADDRESSES = {"haproxy": 2, "node1": 11, "node2": 12, "node3": 13, "instance1": 21, "instance2": 22}
NODES = ("node1", "node2", "node3")
BRIDGE = "ha"
# Tells the test, when it starts itself again, that it is inside.
INSIDE = "HA_TEST_NETWORK"


def enter():
    """Starts this program again inside namespaces of its own, where that is possible; returns only inside, or without any."""
    if INSIDE in os.environ:
        return
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    unshare = ["unshare", *as_user, "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    probe = f"ip link add name {BRIDGE} type bridge && ip link add name a1 type veth peer name b1 && unshare --net true"
    try:
        can = subprocess.run([*unshare, "sh", "-c", probe], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except FileNotFoundError:
        can = None
    if can is None or can.returncode != 0:
        os.environ[INSIDE] = "loopback"
        return
    os.environ[INSIDE] = "namespaces"
    sys.stdout.flush()
    # The shell is the first process of the namespace, and so reaps those whose parents are gone. Patroni waits for that when
    # it stops PostgreSQL.
    reaper = ["sh", "-c", '"$@"; exit $?', "sh"]
    os.execvp(unshare[0], [*unshare, *reaper, sys.executable, "-B", *sys.argv])


def make():
    return Namespaces() if os.environ[INSIDE] == "namespaces" else Loopback()


class Network:
    """What both kinds have: `hosts`, the address of each machine; `of_all`, the network that connections come from."""

    def __init__(self, prefix, of_all):
        self.hosts, self.of_all = {name: f"{prefix}.{last}" for name, last in ADDRESSES.items()}, of_all


class Loopback(Network):
    can_cut = False

    def __init__(self):
        # On the loopback interface a connection comes from 127.0.0.1, wherever it goes.
        super().__init__("127.77.0", "127.0.0.0/8")

    def set_up(self, _settings):
        """Changes nothing: these settings are the host's."""

    def inside(self, _machine):
        return []


class Namespaces(Network):
    can_cut = True

    def __init__(self):
        super().__init__("10.77.0", "10.77.0.0/24")
        ip("link set lo up")
        ip(f"link add name {BRIDGE} type bridge")
        ip(f"link set {BRIDGE} up")
        for name, host in self.hosts.items():
            if name not in NODES:
                ip(f"address add {host}/24 dev {BRIDGE}")
        self.inside_of = {node: self.join(node) for node in NODES}

    def join(self, node):
        """Makes a node's namespace, which a sleeping process keeps; the start of a command inside it."""
        # `unshare` says `ready` from inside, and becomes the process that stays.
        keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec sleep infinity"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if keeper.stdout.readline() != "ready\n":
            raise RuntimeError(f"no network namespace for {node}")
        inside = ["nsenter", f"--net=/proc/{keeper.pid}/ns/net"]
        ip(f"link add name {node} type veth peer name eth0 netns {keeper.pid}")
        ip(f"link set {node} master {BRIDGE} up")
        ip("link set lo up", inside)
        ip(f"address add {self.hosts[node]}/24 dev eth0", inside)
        ip("link set eth0 up", inside)
        return inside

    def set_up(self, settings):
        """Gives these settings, lines of a sysctl.conf, to each node."""
        lines = (line.split("=") for line in settings.splitlines() if line and not line.startswith("#"))
        written = "; ".join(f"echo {value.strip()} >/proc/sys/{name.strip().replace('.', '/')}" for name, value in lines)
        for inside in self.inside_of.values():
            subprocess.run([*inside, "sh", "-ec", written], stdin=subprocess.DEVNULL, check=True)

    def inside(self, machine):
        """The start of a command that is to run on this machine."""
        return self.inside_of.get(machine, [])

    def cut(self, node):
        """From now on nothing gets to the node nor out of it, and neither side is told: packets vanish."""
        ip(f"link set {node} nomaster")

    def mend(self, node):
        ip(f"link set {node} master {BRIDGE}")


def ip(arguments, inside=()):
    subprocess.run([*inside, "ip", *arguments.split()], stdin=subprocess.DEVNULL, check=True)
