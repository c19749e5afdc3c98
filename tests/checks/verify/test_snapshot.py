"""What verify says of a director's table is what plan says: on real text of ipvsadm, answered as the agents answer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from provision.checks.verify.run import examine
from provision.checks.verify.snapshot import take
from provision.core.errors import Unreachable
from provision.core.facts import Facts, Interface
from provision.deploy.host_inspection import compare, inspect_host
from provision.deploy.project import Project, load
from provision.desired.items import DesiredHost
from provision.hosts.sessions import Sessions
from provision.hosts.target import Target
from tests import REPOSITORY
from tests.hosts.answering import Host
from tests.hosts.told import Told

LAB = REPOSITORY / "inventories/lab.yml"
SERVICE = "-t 192.168.227.10:80"
WEB1, WEB2 = "192.168.227.103:80", "192.168.227.104:80"
TABLE = (
    f"-A {SERVICE} -s rr",
    f"-a {SERVICE} -r {WEB1} -g -w 1",
    f"-a {SERVICE} -r {WEB2} -g -w 1",
)
"""`ipvsadm -Sn` on a director of the lab."""

DELETED = TABLE[:2]
"""The same after `ipvsadm -d -t 192.168.227.10:80 -r 192.168.227.104:80`."""

WEIGHED = (*TABLE[:2], f"-a {SERVICE} -r {WEB2} -g -w 5")
"""The same after `ipvsadm -e -t 192.168.227.10:80 -r 192.168.227.104:80 -g -w 5`."""

CHECKER = "lvs1 Keepalived_healthcheckers[7]:"
WELL = tuple(
    f"10{number}.5 {CHECKER} TCP connection to [192.168.227.{number}]:tcp:80 success."
    for number in (103, 104)
)
DOWN = (
    *WELL,
    f"210.5 {CHECKER} TCP_CHECK on service [192.168.227.104]:tcp:80 failed.",
    f"210.5 {CHECKER} Removing service [192.168.227.104]:tcp:80 from VS [192.168.227.10]:tcp:80",
)


def _desired(site: Project, host: str) -> tuple[DesiredHost, str]:
    """What a host is to be, and its address."""
    address = f"{site.topology.hosts[host].address[0]}/24"
    return site.render(host, Facts(interfaces=(Interface("eth0", (address,)),))), address


class Hosts(Sessions):
    """The managed hosts of the lab; the tables of lvs1 and its log are given, the client cannot be reached."""

    def __init__(self, site: Project, table: Sequence[str], log: Sequence[str]) -> None:
        super().__init__(
            {host: Target(host, "127.0.0.1", port=9) for host in site.topology.managed()}
        )
        tables = {"lvs1": (table, log), "lvs2": (TABLE, WELL), "web1": ((), ()), "web2": ((), ())}
        self._hosts = {host: Host(*_desired(site, host), *tables[host]) for host in self.targets}

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
    return {
        host: [change.detail for change in plan.changes]
        for host, plan in compare(plans, hosts.of).items()
    }


def verified(site: Project, hosts: Hosts) -> dict[str, list[str]]:
    """The same from the snapshot of `hactl verify`."""
    found = take(site, hosts, Told())
    return {host: [change.detail for change in changes] for host, changes in found.changes.items()}


@pytest.mark.parametrize(
    ("table", "log", "drift"),
    [
        (TABLE, WELL, []),
        (
            DELETED,
            WELL,
            ["web2 is missing, its check succeeds: restart Keepalived's checker"],
        ),
        (WEIGHED, WELL, ["web2 -g -w 5 → -g -w 1"]),
        ((), WELL, ["not in the table: restart Keepalived's checker"]),
        (DELETED, DOWN, []),
        (DELETED, (), []),
    ],
    ids=[
        "as intended",
        "ipvsadm -d",
        "ipvsadm -e -w 5",
        "ipvsadm -C",
        "taken out by its check",
        "without a log",
    ],
)
def test_verify_and_plan_find_the_same_drift(
    site: Project, table: Sequence[str], log: Sequence[str], drift: list[str]
) -> None:
    hosts = Hosts(site, table, log)
    assert planned(site, hosts) == {"lvs1": drift, "lvs2": [], "web1": [], "web2": []}
    assert verified(site, hosts) == planned(site, hosts)


@pytest.mark.parametrize("table", [DELETED, WEIGHED], ids=["ipvsadm -d", "ipvsadm -e -w 5"])
def test_a_table_edited_by_hand_fails_the_check_of_what_is_installed(
    site: Project, table: Sequence[str]
) -> None:
    hosts = Hosts(site, table, WELL)
    checks = examine(site, hosts, take(site, hosts, Told()))
    failed = {(check.name, check.host): check.message for check in checks if not check.ok}
    assert SERVICE in failed["installed", "lvs1"]
    assert ("table", "lvs1") in failed
    assert ("installed", "lvs2") not in failed
