"""On a lab: status shows the site, and the doctor names the cause of each fault."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from provision.checks.doctor.result import Report
from provision.checks.verify import backend
from provision.commands.doctor import examine
from provision.deploy.project import Project, load
from provision.hosts.sessions import Sessions
from tests import REPOSITORY
from tests.checks.doctor.faults import FAULTS, FORGET, LOG_RULES, ROUNDS
from tests.e2e.site import Site, Terminal
from tests.hosts.told import Told

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

NAME = "daily"
VIP = "192.168.227.10"
INVENTORY = REPOSITORY / "inventories/lab.yml"


class Ward:
    """The lab's hosts with open logins: tests make faults there, and the doctor inspects them."""

    def __init__(self, project: Project, sessions: Sessions) -> None:
        self.project, self.sessions = project, sessions

    def run(self, host: str, script: str) -> None:
        done = backend.testinfra_host(self.sessions, host).run(f"set -e; {script}")
        assert done.rc == 0, f"{host}: {script}: {done.stderr}"

    def report(self) -> Report:
        return examine(self.project, self.sessions, Told())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site(NAME, tmp_path_factory.mktemp(NAME))
    found.inventory.write_text(INVENTORY.read_text().replace("/lab/lab/", f"/lab/{NAME}/"))
    found.lab("down")
    try:
        found.lab("up")
        found.deploy()
        yield found
    finally:
        found.lab("down")


@pytest.fixture(scope="module")
def ward(site: Site) -> Iterator[Ward]:
    project = load(site.inventory)
    hosts = (*project.managed(), *project.topology.clients)
    with Sessions(project.targets(hosts, lab=True)) as sessions:
        yield Ward(project, sessions)


def test_a_site_that_is_well(site: Site) -> None:
    shown = site.hactl("status", "--lab")
    assert shown.code == 0, shown
    assert "4 of 4 hosts answer  all is well" in shown.out
    assert f"web  {VIP}  held by lvs1" in shown.out
    assert max(len(line) for line in shown.out.splitlines()) <= 80
    document = site.hactl("status", "--lab", "--json").json
    assert document["ok"] and {
        host["host"]: host["drift"] for host in document["hosts"]
    } == dict.fromkeys(("lvs1", "lvs2", "web1", "web2"), 0)
    servers: list[dict[str, Any]] = document["frontends"][0]["services"][0]["servers"]
    assert [(server["name"], server["weight"], server["state"]) for server in servers] == [
        ("web1", 1, "up"), ("web2", 1, "up"),
    ]  # fmt: skip
    assert all("success" in server["reason"] for server in servers)


def test_prometheus_reads_it(site: Site) -> None:
    families = {family.name: family for family in text_string_to_metric_families(
        site.hactl("status", "--lab", "--prometheus").out
    )}  # fmt: skip
    masters = {
        sample.labels["host"]: sample.value for sample in families["hactl_vrrp_master"].samples
    }
    assert masters == {"lvs1": 1, "lvs2": 0}


def test_a_watched_screen_shows_what_changes_and_ends_with_ctrl_c(site: Site, ward: Ward) -> None:
    terminal = Terminal("status", "--watch", "--lab", str(site.inventory))
    terminal.until(r"/s sent")
    ward.run("web2", "systemctl stop nginx")
    terminal.until(rf"web2 in -t {VIP}:80: up \(weight 1\) → down")
    ward.run("web2", "systemctl start nginx")
    terminal.until(rf"web2 in -t {VIP}:80: down → up \(weight 1\)")
    terminal.type("\x03")
    assert terminal.end() == 0


def test_the_doctor_finds_nothing_on_a_site_that_is_well(ward: Ward) -> None:
    report = ward.report()
    assert [diagnosis for diagnosis in report.diagnoses if diagnosis.rule not in LOG_RULES] == []
    assert not report.unasked and not report.errors


@pytest.mark.parametrize("rules", ROUNDS, ids="+".join)
def test_the_doctor_names_each_fault_and_nothing_else(ward: Ward, rules: tuple[str, ...]) -> None:
    faults = [FAULTS[rule] for rule in rules]
    try:
        for fault in faults:
            ward.run(fault.host, fault.break_script)
        report = ward.report()
    finally:
        for fault in faults:
            ward.run(fault.host, fault.repair_script)
        if any(fault.changes_neighbour for fault in faults):
            ward.run("client", FORGET)
    found = {
        (diagnosis.rule, diagnosis.symptom.host): diagnosis.symptom
        for diagnosis in report.diagnoses
    }
    wanted = {fault.diagnosis for fault in faults}
    assert wanted <= set(found), found
    allowed = LOG_RULES | {rule for fault in faults for rule in fault.companions}
    assert {one for one in set(found) - wanted if one[0] not in allowed} == set(), found
    evidence = [shown for one in wanted for shown in found[one].evidence]
    assert evidence and all(shown.command and shown.lines for shown in evidence)


def test_a_director_without_power_is_not_shown_as_master(site: Site, ward: Ward) -> None:
    ward.sessions.drop("lvs1")
    site.lab("cut", "lvs1")
    try:
        shown = site.hactl("status", "--lab", "--json")
        assert shown.code == 4, shown
        directors = {one["host"]: one["state"] for one in shown.json["frontends"][0]["directors"]}
        assert directors == {"lvs1": "unreachable", "lvs2": "MASTER"}
        assert [vip["holders"][0]["host"] for vip in shown.json["frontends"][0]["vips"]] == ["lvs2"]
    finally:
        site.lab("boot", "lvs1")
