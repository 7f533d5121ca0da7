"""What can happen to the machines: each fault strikes, is seen to have had its effect, and is healed.

A fault that had no effect would prove nothing, so the round waits for the effect, and fails without it.
"""

import time

from cluster import INSTANCES
from machines import Problem, wait_for

# How long a leader is alone in the proof of a loss: less than the time after which it gives up a standby that says nothing.
ALONE_SECONDS = 2


class Fault:
    """`strike` does it, `has_effect` says whether it shows, `heal` brings back what was lost. The usual effect is that another
    machine is the leader."""

    def __init__(self, cluster, round_number):
        self.cluster, self.round_number = cluster, round_number
        self.leader, self.standbys = cluster.leader_and_standbys()
        self.node = cluster.nodes[self.leader]

    def has_effect(self):
        leader = self.cluster.leader()
        return leader is not None and leader != self.leader

    def heal(self):
        pass

    def is_healed(self):
        return self.cluster.is_whole() and self.cluster.is_served()


class KillLeader(Fault):
    """The leader's machine loses all its processes at once, as by a loss of power, and starts again later."""

    def strike(self):
        self.node.kill()

    def heal(self):
        self.node.start()


class FreezeLeader(Fault):
    """No process of the leader's machine runs any more, and its connections stay open; later all go on where they were."""

    def strike(self):
        self.node.freeze()

    def heal(self):
        self.node.thaw()


class CutLeader(Fault):
    """The leader runs and nothing reaches it, and nothing of it reaches anybody."""

    def strike(self):
        if self.cluster.network.can_cut:
            self.cluster.network.cut(self.leader)
        else:
            self.node.freeze()

    def heal(self):
        if self.cluster.network.can_cut:
            self.cluster.network.mend(self.leader)
        else:
            self.node.thaw()


class SwitchOver(Fault):
    """An operator lets the standby take over."""

    def strike(self):
        self.cluster.switch_over()


class KillInstance(Fault):
    """One of the service's instances is killed; the other one serves. They take turns, round by round."""

    def strike(self):
        self.instance = self.cluster.instances[INSTANCES[self.round_number % len(INSTANCES)]]
        self.instance.kill()

    def has_effect(self):
        return not self.instance.is_running()

    def heal(self):
        self.instance.start()


class Upgrade(Fault):
    """Both instances are stopped and started again, one after the other, as for a new version. HAProxy keeps serving."""

    def strike(self):
        for name, instance in self.cluster.instances.items():
            if not instance.stop():
                raise Problem(f"{name} did not end in time after SIGTERM")
            instance.start()
            wait_for(f"{name} is ready again", self.cluster.is_served)

    def has_effect(self):
        return True


class KillStandby(Fault):
    """A standby's machine loses all its processes. Commits go on with the other one."""

    def __init__(self, cluster, round_number):
        super().__init__(cluster, round_number)
        self.standby = self.standbys[round_number % len(self.standbys)]

    def strike(self):
        self.node = self.cluster.nodes[self.standby]
        self.node.kill()

    def has_effect(self):
        return self.cluster.synchronous_standbys() == [one for one in self.standbys if one != self.standby]

    def heal(self):
        self.node.start()


class CutStandby(KillStandby):
    """A standby runs and nothing reaches it."""

    def strike(self):
        self.cluster.network.cut(self.standby)

    def heal(self):
        self.cluster.network.mend(self.standby)


class FreezeStandby(KillStandby):
    """No process of a standby's machine runs any more."""

    def strike(self):
        self.node = self.cluster.nodes[self.standby]
        self.node.freeze()

    def heal(self):
        self.node.thaw()


class LoseWrites(KillLeader):
    """Not a fault of the set-up, but proof that the test can fail: for a moment the leader sends nothing to its standbys, then its
    machine is lost. With asynchronous replication, what was acknowledged meanwhile is lost with it."""

    def strike(self):
        for process in self.node.processes():
            if "walsender" in " ".join(process.cmdline()):
                process.suspend()
        time.sleep(ALONE_SECONDS)
        super().strike()


FAULTS = {
    "kill leader": KillLeader,
    "freeze leader": FreezeLeader,
    "cut off leader": CutLeader,
    "switch over": SwitchOver,
    "kill instance": KillInstance,
    "kill standby": KillStandby,
    "upgrade": Upgrade,
}
# By name only, with FAULTS=.
MORE_FAULTS = {
    "cut off standby": CutStandby,
    "freeze standby": FreezeStandby,
}
