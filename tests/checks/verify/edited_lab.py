"""The lab's managed hosts as their agents answer, after edits of the IPVS table and addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from provision.core.errors import Unreachable
from provision.core.facts import Facts, Interface
from provision.deploy.project import Project, load
from provision.desired.items import DesiredHost
from provision.hosts.sessions import Sessions
from provision.hosts.target import Target
from tests import REPOSITORY
from tests.hosts.answering import Host

LAB = REPOSITORY / "inventories/lab.yml"
VIP = "192.168.227.10"
SERVICE = f"-t {VIP}:80"
WEB1, WEB2 = "192.168.227.103:80", "192.168.227.104:80"
TABLE = (
    f"-A {SERVICE} -s rr",
    f"-a {SERVICE} -r {WEB1} -g -w 1",
    f"-a {SERVICE} -r {WEB2} -g -w 1",
)
"""`ipvsadm -Sn` on a director of the lab."""

DELETED = TABLE[:2]
"""The same after `ipvsadm -d -t 192.168.227.10:80 -r 192.168.227.104:80`."""

REWEIGHTED = (*TABLE[:2], f"-a {SERVICE} -r {WEB2} -g -w 5")
"""The same after `ipvsadm -e -t 192.168.227.10:80 -r 192.168.227.104:80 -g -w 5`."""

CHECKER = "lvs1 Keepalived_healthcheckers[7]:"
CHECKS_PASS = tuple(
    f"10{number}.5 {CHECKER} TCP connection to [192.168.227.{number}]:tcp:80 success."
    for number in (103, 104)
)
"""The log of the health checks when both real servers answer."""

WEB2_FAILS = (
    *CHECKS_PASS,
    f"210.5 {CHECKER} TCP_CHECK on service [192.168.227.104]:tcp:80 failed.",
    f"210.5 {CHECKER} Removing service [192.168.227.104]:tcp:80 from VS [{VIP}]:tcp:80",
)
"""The same log after web2 stopped answering."""


def lab_project(folder: Path) -> Project:
    """The lab's inventory without the lab's login, written into `folder`."""
    path = folder / "site.yml"
    lines = LAB.read_text().splitlines()
    path.write_text("\n".join(line for line in lines if "ansible_ssh_common_args" not in line))
    return load(path)


class EditedLab(Sessions):
    """Sessions of the managed hosts: `table` and `log` of lvs1, `vip_on` has the VIP on eth0."""

    def __init__(
        self, project: Project, table: Sequence[str], log: Sequence[str], vip_on: str = ""
    ) -> None:
        hosts = project.topology.managed()
        super().__init__({host: Target(host, "127.0.0.1", port=9) for host in hosts})
        tables = {
            "lvs1": (table, log),
            "lvs2": (TABLE, CHECKS_PASS),
            "web1": ((), ()),
            "web2": ((), ()),
        }
        self._hosts = {
            host: Host(*_desired(project, host, host == vip_on), *tables[host]) for host in hosts
        }

    def of(self, host: str) -> Host:  # type: ignore[override]  # a session without a connection
        if host not in self._hosts:
            raise Unreachable(host, "there is none")
        return self._hosts[host]

    def execs(self) -> Mapping[str, list[str]]:
        """The agents that were started on each host since the last call."""
        started = {host: list(session.agents) for host, session in self._hosts.items()}
        for session in self._hosts.values():
            session.agents.clear()
        return started


def _desired(project: Project, host: str, has_vip: bool) -> tuple[DesiredHost, str]:
    """The desired state of a host, and the addresses on its eth0."""
    address = f"{project.topology.hosts[host].address[0]}/24"
    desired = project.render(host, Facts(interfaces=(Interface("eth0", (address,)),)))
    return desired, f"{address}|{VIP}/32" if has_vip else address
