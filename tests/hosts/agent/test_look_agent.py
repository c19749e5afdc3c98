"""The look agent on a scratch root. A process answers the signal as Keepalived does."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from provision.hosts.agent.look import look
from tests.hosts.agent.keepalived import answering
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

SYSTEMCTL = r"""#!/bin/sh
for unit; do
    case $unit in show | -p | -- | *,*) continue ;; esac
    [ -z "${said-}" ] || echo
    said=yes pid=0 state=inactive
    [ ! -e "$HACTL_ROOT/pids/$unit" ] || { read -r pid <"$HACTL_ROOT/pids/$unit"; state=active; }
    printf 'MainPID=%s\nId=%s\nActiveState=%s\nUnitFileState=enabled\n' "$pid" "$unit" $state
done
"""

SS = r"""#!/bin/sh
[ "$2" = --cgroup ] || exit 1
cat <<'END'
udp UNCONN 0      0      224.0.0.81%eth0:8848 0.0.0.0:* cgroup:/system.slice/keepalived.service
tcp LISTEN 0      511    0.0.0.0:80 0.0.0.0:* cgroup:/system.slice/nginx.service
tcp LISTEN 0      128       [::1]:25      [::]:*
tcp LISTEN 0      128          *:9092        *:* cgroup:/kafka.slice/kafka.service/broker
END
"""

IPVSADM = r"""#!/bin/sh
case $* in
-Sn) echo '-A -t 192.168.227.10:80 -s rr' ;;
-Ln)
    echo 'TCP  192.168.227.10:80 rr'
    echo '  -> 192.168.227.103:80           Route   1      3          7' ;;
'-Ln --daemon')
    printf '%s' 'backup sync daemon (mcast=eth0, syncid=10, maxlen=1472, '
    echo 'group=224.0.0.81, port=8848, ttl=1)' ;;
esac
"""

ANSWER: list[dict[str, Any]] = [
    {
        "data": {
            "iname": "VI_web",
            "ifp_ifname": "eth0",
            "vrid": 10,
            "effective_priority": 100,
            "adver_int": 0.2,
            "state": 2,
            "vips": ["192.168.227.10 dev eth0 scope global set"],
        },
        "stats": {
            "advert_rcvd": 5,
            "advert_sent": 9,
            "become_master": 1,
            "release_master": 0,
            "ip_ttl_err": 2,
        },
    }
]


@pytest.fixture
def tools(host: LocalHost) -> LocalHost:
    for name, text in (("systemctl", SYSTEMCTL), ("ss", SS), ("ipvsadm", IPVSADM)):
        host.command(name, text)
    host.write("proc/net/ip_vs", "")
    host.write("proc/sys/kernel/random/boot_id", "7317f36c\n")
    host.write("proc/sys/net/ipv4/vs/sync_threshold", "1\t10\n")
    host.write("proc/sys/net/ipv4/conf/eth0.100/arp_ignore", "1\n")
    host.write("sys/class/net/eth0/address", "02:68:61:00:00:01\n")
    host.write("sys/class/net/eth0/carrier", "1\n")
    return host


@pytest.fixture
def keepalived(tools: LocalHost) -> Iterator[Callable[[float], Path]]:
    """Start a Keepalived that answers after so many seconds; returns the answer's path."""
    with ExitStack() as running:

        def start(wait: float) -> Path:
            pid, answer = running.enter_context(answering(tools, ANSWER, wait))
            tools.write("pids/keepalived.service", f"{pid}\n")
            return answer

        yield start


def test_everything_in_one_exec(tools: LocalHost, keepalived: Callable[[float], Path]) -> None:
    answer = keepalived(0)
    live = look(tools)
    assert tools.execs == 1
    assert live.boot_id == "7317f36c"
    assert abs(live.clock) <= live.round_trip / 2
    assert live.macs == {"eth0": "02:68:61:00:00:01"}
    assert live.carriers == {"eth0": True}
    assert live.sysctls["net.ipv4.vs.sync_threshold"] == "1 10"
    assert live.sysctls["net.ipv4.conf.eth0/100.arp_ignore"] == "1"
    assert [
        (entry.interface, entry.address, entry.prefix, entry.label)
        for entry in live.addresses
        if entry.scope == "global"
    ] == [
        ("lo", "192.168.227.20", 32, "lo:5"),
        ("eth0", "192.168.227.103", 24, "eth0"),
        ("eth0", "fd00::103", 64, "eth0"),
        ("eth1", "10.0.0.3", 8, "eth1"),
    ]
    assert [
        (entry.protocol, entry.address, entry.port, entry.unit, entry.family)
        for entry in live.listeners
    ] == [
        ("udp", "224.0.0.81", 8848, "keepalived.service", 4),
        ("tcp", "*", 80, "nginx.service", 4),
        ("tcp", "::1", 25, "", 6),
        ("tcp", "*", 9092, "kafka.service", 0),
    ]
    assert {name: unit.active for name, unit in live.units.items()} == {
        "keepalived.service": "active",
        "nginx.service": "inactive",
        "kafka.service": "inactive",
    }
    assert live.ipvs_saved == ("-A -t 192.168.227.10:80 -s rr",)
    assert [
        (entry.selector, entry.servers[0].active, entry.servers[0].inactive)
        for entry in live.services
    ] == [("-t 192.168.227.10:80", 3, 7)]
    assert [(entry.role, entry.interface, entry.sync_id) for entry in live.sync] == [
        ("backup", "eth0", 10)
    ]
    instance = live.vrrp[0]
    assert (instance.name, instance.state, instance.priority, instance.vips) == (
        "VI_web",
        "MASTER",
        100,
        ("192.168.227.10",),
    )
    assert (instance.adverts_received, instance.adverts_sent, instance.errors) == (5, 9, 2)
    assert not answer.exists()


def test_an_old_answer_is_not_taken_for_a_new_one(
    tools: LocalHost, keepalived: Callable[[float], Path]
) -> None:
    answer = keepalived(0.3)
    answer.write_text(
        json.dumps([{**ANSWER[0], "stats": {**ANSWER[0]["stats"], "advert_sent": 1}}])
    )
    assert look(tools).vrrp[0].adverts_sent == 9


def test_somebody_elses_link_in_its_place_is_not_read(
    tools: LocalHost, keepalived: Callable[[float], Path]
) -> None:
    answer = keepalived(60)
    target = tools.write("etc/answer", json.dumps(ANSWER))
    subprocess.Popen(["sh", "-c", f"sleep 0.3; ln -s {target} {answer}"])
    assert look(tools).vrrp == ()


def test_a_keepalived_that_hangs_costs_a_few_seconds(
    tools: LocalHost, keepalived: Callable[[float], Path]
) -> None:
    keepalived(60)
    began = time.monotonic()
    live = look(tools)
    assert live.vrrp == ()
    assert live.units["keepalived.service"].active == "active"
    assert time.monotonic() - began < 10


def test_a_keepalived_without_json_gets_no_signal(
    tools: LocalHost, keepalived: Callable[[float], Path]
) -> None:
    answer = keepalived(0)
    tools.command("keepalived", "#!/bin/sh\necho 'Unknown sigfunc JSON' >&2\nexit 1\n")
    assert look(tools).vrrp == ()
    assert not answer.exists()


def test_a_host_with_neither_keepalived_nor_ipvs(tools: LocalHost) -> None:
    (tools.root / "proc/net/ip_vs").unlink()
    tools.command("ss", "#!/bin/sh\n[ $# = 1 ] && echo 'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*'\n")
    live = look(tools)
    assert (live.vrrp, live.ipvs_saved, live.services, live.sync) == ((), (), (), ())
    assert [(entry.port, entry.unit) for entry in live.listeners] == [(22, "")]
    assert live.units["keepalived.service"].main_pid == 0
