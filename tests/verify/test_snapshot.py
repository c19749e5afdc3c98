"""What verify says of a director's table is what plan says: on real text of ipvsadm, answered as the agents answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from provision.agent import program
from provision.desired import Address, File, Item, Sysctl, Unit
from provision.errors import Unreachable
from provision.facts import Facts, Interface
from provision.inspect import compare, inspect_host
from provision.live.sessions import Sessions
from provision.project import Project, load
from provision.remote.target import Target
from provision.verify.run import examine
from provision.verify.snapshot import take
from tests.memory import MemoryChannel
from tests.told import Told

LAB = Path(__file__).parents[2] / "inventories/lab.yml"
SERVICE = "-t 192.168.227.10:80"
WEB1, WEB2 = "192.168.227.103:80", "192.168.227.104:80"
TABLE = (f"-A {SERVICE} -s rr", f"-a {SERVICE} -r {WEB1} -g -w 1", f"-a {SERVICE} -r {WEB2} -g -w 1")
"""`ipvsadm -Sn` on a director of the lab."""

DELETED = TABLE[:2]
"""The same after `ipvsadm -d -t 192.168.227.10:80 -r 192.168.227.104:80`."""

WEIGHED = (*TABLE[:2], f"-a {SERVICE} -r {WEB2} -g -w 5")
"""The same after `ipvsadm -e -t 192.168.227.10:80 -r 192.168.227.104:80 -g -w 5`."""

CHECKER = "lvs1 Keepalived_healthcheckers[7]:"
WELL = tuple(
    f"10{number}.5 {CHECKER} TCP connection to [192.168.227.{number}]:tcp:80 success." for number in (103, 104)
)
DOWN = (
    *WELL,
    f"210.5 {CHECKER} TCP_CHECK on service [192.168.227.104]:tcp:80 failed.",
    f"210.5 {CHECKER} Removing service [192.168.227.104]:tcp:80 from VS [192.168.227.10]:tcp:80",
)


class Host:
    """A host that is as the inventory says, but for its table; `log` is what its health checks said."""

    execs = 0

    def __init__(self, site: Project, host: str, table: Sequence[str], log: Sequence[str]) -> None:
        self.host = host
        self._address = f"{site.topology.hosts[host].address[0]}/24"
        facts = Facts(interfaces=(Interface("eth0", (self._address,)),))
        self._items = site.render(host, facts).items
        self._table, self._log = table, log

    def run_agent(self, text: str) -> MemoryChannel:
        """What the agent that is started answers."""
        if text == program("observe"):
            return MemoryChannel("".join(f"{line}\n" for line in self._observed()).replace("|", "\x1f").encode())
        sections: Mapping[str, Sequence[str]] = {"clock": ["1.5"], "ipvs_saved": self._table, "end": []}
        if text == program("status"):
            sections = {"checks": self._log, **sections}
        text = "".join(f"\x1f{name}\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items())
        return MemoryChannel(text.encode())

    def _observed(self) -> list[str]:
        facts = ["fact|os_family|debian", "fact|firewall|none", f"fact|interface|eth0|{self._address}", "facts-end"]
        items = [_answer(item) for item in self._items if item.kind not in ("vip", "virtual")]
        return [*facts, *items, *(f"table|{line}" for line in self._table), "end"]


def _answer(item: Item) -> str:
    match item:
        case File():
            return f"file|{item.name}|file|{item.sha256}|{item.mode}|{item.owner}|{item.group}|0"
        case Sysctl():
            return f"sysctl|{item.name}|yes|{item.value}"
        case Address():
            return f"address|{item.name}|{item.device}"
        case Unit():
            return f"unit|{item.name}|yes|yes|yes"
    return f"{item.kind}|{item.name}|yes"


class Hosts(Sessions):
    """The managed hosts of the lab; the tables of lvs1 and its log are given, the client cannot be reached."""

    def __init__(self, site: Project, table: Sequence[str], log: Sequence[str]) -> None:
        super().__init__({host: Target(host, "127.0.0.1", port=9) for host in site.topology.managed()})
        tables = {"lvs1": (table, log), "lvs2": (TABLE, WELL), "web1": ((), ()), "web2": ((), ())}
        self._hosts = {host: Host(site, host, *tables[host]) for host in self.targets}

    def of(self, host: str) -> Host:  # type: ignore[override]  # what is asked of a session, without a connection
        if host not in self._hosts:
            raise Unreachable(host, "there is none")
        return self._hosts[host]


@pytest.fixture
def site(tmp_path: Path) -> Project:
    """The lab's inventory without the lab's login."""
    path = tmp_path / "site.yml"
    lines = LAB.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "ansible_ssh_common_args" not in line))
    return load(path)


def planned(site: Project, hosts: Hosts) -> dict[str, list[str]]:
    """What `hactl plan` would change on each host."""
    plans = {host: inspect_host(hosts.of(host), site.render, frozenset()) for host in hosts.targets}
    return {host: [change.detail for change in plan.changes] for host, plan in compare(plans, hosts.of).items()}


def verified(site: Project, hosts: Hosts) -> dict[str, list[str]]:
    """The same from the snapshot of `hactl verify`."""
    found = take(site, hosts, Told())
    return {host: [change.detail for change in changes] for host, changes in found.changes.items()}


@pytest.mark.parametrize(
    ("table", "log", "drift"),
    [
        (TABLE, WELL, []),
        (DELETED, WELL, ["web2 is not in it, and its check is well: Keepalived's checker begins anew"]),
        (WEIGHED, WELL, ["web2 -g -w 5 → -g -w 1"]),
        ((), WELL, ["not in the table: Keepalived's checker begins anew"]),
        (DELETED, DOWN, []),
        (DELETED, (), []),
    ],
    ids=["as intended", "ipvsadm -d", "ipvsadm -e -w 5", "ipvsadm -C", "taken out by its check", "without a log"],
)
def test_verify_and_plan_find_the_same_drift(
    site: Project, table: Sequence[str], log: Sequence[str], drift: list[str]
) -> None:
    hosts = Hosts(site, table, log)
    assert planned(site, hosts) == {"lvs1": drift, "lvs2": [], "web1": [], "web2": []}
    assert verified(site, hosts) == planned(site, hosts)


@pytest.mark.parametrize("table", [DELETED, WEIGHED], ids=["ipvsadm -d", "ipvsadm -e -w 5"])
def test_a_table_edited_by_hand_fails_the_check_of_what_is_installed(site: Project, table: Sequence[str]) -> None:
    hosts = Hosts(site, table, WELL)
    checks = examine(site, hosts, take(site, hosts, Told()))
    failed = {(check.name, check.host): check.message for check in checks if not check.ok}
    assert SERVICE in failed["installed", "lvs1"]
    assert ("table", "lvs1") in failed
    assert ("installed", "lvs2") not in failed
