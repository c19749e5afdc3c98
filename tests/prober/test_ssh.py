"""The prober over a real SSH connection, as it runs on a client host."""

from __future__ import annotations

import time

import pytest

from provision.core.errors import HostError
from provision.hosts.ssh import SshSession
from provision.prober.record import ProbeService
from provision.prober.session import Prober
from provision.prober.wire import OnLink, ask
from tests.hosts.conftest import Net, known, net, session  # noqa: F401
from tests.waiting import wait_until

pytestmark = pytest.mark.ssh
SSHD = ProbeService("web", "sshd", "10.77.0.2", 22)


def test_records_come_over_ssh_and_the_clocks_are_compared(session: SshSession) -> None:  # noqa: F811
    with Prober.start(session, [SSHD], cadence=0.02, connections=2) as prober:
        wait_until(lambda: prober.established == 2, 3, what="open connections")
        time.sleep(0.3)
        assert abs(prober.offset) <= prober.uncertainty + 0.001, "one machine has one clock"
        recording = prober.stop()
    assert len(recording.requests) > 20 and not any(request.error for request in recording.requests)
    (answer,) = ask(session, [OnLink("10.77.0.1")])
    assert answer.interface.startswith("to-")


def test_a_lost_connection_keeps_what_was_recorded(net: Net, session: SshSession) -> None:  # noqa: F811
    with Prober.start(session, [SSHD], cadence=0.02, connections=0) as prober:
        time.sleep(0.5)
        net.near.cut()
        time.sleep(0.5)
        with pytest.raises(HostError, match=r"web1: (the connection was lost|the prober ended)"):
            prober.stop()
        assert len(prober.recording().requests) > 10
