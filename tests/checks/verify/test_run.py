"""The suite in this process, on healthy hosts and on hosts with one difference."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from provision.checks.verify.result import Check, Verification
from provision.checks.verify.run import examine
from provision.checks.verify.snapshot import VerifySnapshot
from provision.checks.verify.wire import WireAnswers
from provision.core.coverage import Coverage
from provision.core.errors import Exit, HostError, Unreachable
from provision.deploy.plan import Change
from provision.deploy.project import Project, load
from provision.hosts.live.snapshot import Snapshot
from provision.hosts.sessions import Sessions
from provision.hosts.target import Target
from tests.checks.verify.edited_lab import lab_project
from tests.hosts.live.building import healthy

HOSTS = ("lvs1", "lvs2", "web1", "web2", "client")
NOT_ASKED = WireAnswers(reason="no question was sent")

Examine = Callable[..., dict[tuple[str, str], Check]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return lab_project(tmp_path)


@pytest.fixture
def well(project: Project) -> VerifySnapshot:
    """A healthy site; no question was sent to its network."""
    managed = project.topology.managed()
    return VerifySnapshot(
        Snapshot(project.topology, healthy(project.topology)),
        {},
        dict.fromkeys(managed, ()),
        NOT_ASKED,
    )


@pytest.fixture
def own(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes an operator's test file; unloads this suite's `tests.conftest`."""
    monkeypatch.delitem(sys.modules, "tests.conftest", raising=False)

    def write(text: str) -> None:
        folder = project.path.parent / "tests"
        folder.mkdir(exist_ok=True)
        (folder / "test_own.py").write_text(dedent(text))

    return write


def run(
    project: Project, snapshot: VerifySnapshot, junit: Path | None = None
) -> dict[tuple[str, str], Check]:
    """The checks by name and host, which no two checks share."""
    sessions = Sessions({host: Target(host, "127.0.0.1", port=9) for host in HOSTS})
    checks = examine(project, sessions, snapshot, junit)
    by_name = {(check.name, check.host): check for check in checks}
    assert len(by_name) == len(checks), "two checks have the same name"
    return by_name


def test_each_check_on_each_host_it_is_about(project: Project, well: VerifySnapshot) -> None:
    checks = run(project, well)
    assert all(check.ok for check in checks.values())
    assert {host for name, host in checks if name == "send_redirects"} == {"lvs1", "lvs2"}
    assert {host for name, host in checks if name == "listeners"} == {"web1", "web2"}
    assert {host for name, host in checks if name == "clock"} == set(HOSTS)
    assert {host for name, host in checks if name == "installed"} == {
        "lvs1",
        "lvs2",
        "web1",
        "web2",
    }
    assert ("one_holder web", "") in checks
    skipped = {name: check.skipped for (name, _), check in checks.items() if check.skipped}
    assert set(skipped) == {
        "vip_answers 192.168.227.10",
        "serves_vip 192.168.227.10:80",
        "own_vrids web",
    }
    assert set(skipped.values()) == {"no question was sent"}


def test_a_finding_is_a_failure_with_its_message(project: Project, well: VerifySnapshot) -> None:
    lives = well.seen.lives
    broken = Snapshot(project.topology, {**lives, "web1": replace(lives["web1"], listeners=())})
    checks = run(project, replace(well, seen=broken))
    assert [key for key, check in checks.items() if not check.ok] == [("listeners", "web1")]
    message = checks["listeners", "web1"].message
    assert message == (
        "nothing listens on tcp port 80; "
        "the inventory has a service for 192.168.227.10 there; start the service"
    )


def test_a_finding_about_a_front_end_names_the_host(project: Project, well: VerifySnapshot) -> None:
    lives = well.seen.lives
    broken = Snapshot(project.topology, {**lives, "lvs1": replace(lives["lvs1"], vrrp=())})
    message = run(project, replace(well, seen=broken))["holder_is_master web", ""].message
    assert message.startswith("lvs1: holds 192.168.227.10 without being master")


def test_what_a_deploy_would_change_is_a_failure(project: Project, well: VerifySnapshot) -> None:
    change = Change("file", "/etc/keepalived/keepalived.conf", "update", "content")
    check = run(project, replace(well, changes={**well.changes, "lvs2": (change,)}))[
        "installed", "lvs2"
    ]
    assert not check.ok
    assert "file /etc/keepalived/keepalived.conf (content)" in check.message


def test_the_checks_of_a_host_that_cannot_be_reached_are_unknown(
    project: Project, well: VerifySnapshot
) -> None:
    lives = {host: live for host, live in well.seen.lives.items() if host != "web2"}
    unreachable = replace(
        well,
        seen=Snapshot(project.topology, lives),
        errors={"web2": Unreachable("web2", "no route", "look")},
    )
    checks = run(project, unreachable)
    unknown = [check for check in checks.values() if check.unknown]
    assert {host for (_, host), check in checks.items() if not check.ok} == {"web2"}
    assert not any(check.failed for check in checks.values())
    assert {check.message for check in unknown} == {"web2: no route\n  look"}
    assert not any(check.ok for check in unknown), "what was not seen is not well either"


def test_a_client_that_cannot_be_reached_is_no_reason_to_skip(
    project: Project, well: VerifySnapshot
) -> None:
    checks = run(
        project, replace(well, wire=WireAnswers("client", reason="client: no route", failed=True))
    )
    assert checks["own_vrids web", ""].message == "client: no route"
    assert not checks["vip_answers 192.168.227.10", ""].ok


def test_foreign_services_are_mentioned(project: Project, well: VerifySnapshot) -> None:
    lives = well.seen.lives
    lines = (*lives["lvs1"].ipvs_saved, "-A -f 7 -s rr")
    seen = Snapshot(project.topology, {**lives, "lvs1": replace(lives["lvs1"], ipvs_saved=lines)})
    check = run(project, replace(well, seen=seen))["foreign_services", "lvs1"]
    assert check.ok
    assert "-f 7" in check.message


def test_own_tests_and_their_conftest(
    project: Project, well: VerifySnapshot, own: Callable[[str], None]
) -> None:
    own("""
        import pytest

        def test_sound(snapshot, topology, helper):
            assert topology.directors() == helper == ("lvs1", "lvs2")

        @pytest.mark.hosts("web", "lvs2")
        def test_name(host):
            assert host.backend.get_hostname() != "web1", "not this one"

        def test_skipped():
            pytest.skip("not today")
    """)
    conftest = (
        "import pytest\n\n@pytest.fixture\ndef helper(topology):\n    return topology.directors()\n"
    )
    (project.path.parent / "tests/conftest.py").write_text(conftest)
    checks = run(project, well)
    name = "tests/test_own.py::test_name"
    assert checks["tests/test_own.py::test_sound", ""].ok
    assert [checks[f"{name}[{host}]", host].ok for host in ("lvs2", "web1", "web2")] == [
        True,
        False,
        True,
    ]
    message = checks[f"{name}[web1]", "web1"].message
    assert "test_own.py:9: " in message
    assert "not this one" in message
    assert checks["tests/test_own.py::test_skipped", ""].skipped == "not today"
    assert sorted(path.name for path in (project.path.parent / "tests").iterdir()) == [
        "conftest.py",
        "test_own.py",
    ]
    assert sorted(path.name for path in project.path.parent.iterdir()) == ["site.yml", "tests"]


@pytest.mark.parametrize("names", ["'nosuch'", "'client', 'web9'", ""])
def test_a_marker_that_names_nothing_fails(
    project: Project, well: VerifySnapshot, own: Callable[[str], None], names: str
) -> None:
    own(f"import pytest\n\n@pytest.mark.hosts({names})\ndef test_it(host):\n    pass\n")
    failed = [check for check in run(project, well).values() if not check.ok]
    assert len(failed) == 1
    assert "the marker `hosts` names" in failed[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def test_it(:\n", "SyntaxError"),
        ("import nosuchmodule\n", "nosuchmodule"),
        ("def check_it():\n    pass\n", "has no test: name the files"),
        (
            "import pytest\n\n@pytest.mark.host('web')\ndef test_it():\n    pass\n",
            "'host' not found in `markers`",
        ),
        ("def test_it(no_fixture):\n    pass\n", "no_fixture"),
    ],
)
def test_own_tests_that_cannot_run_fail(
    project: Project, well: VerifySnapshot, own: Callable[[str], None], text: str, words: str
) -> None:
    own(text)
    checks = run(project, well).values()
    failed = [check for check in checks if not check.ok]
    assert len(failed) == 1
    assert words in failed[0].message
    assert len(checks) > 40, "the checks of the suite run in any case"


def test_with_nat_no_real_server_is_asked_for_the_vip(project: Project) -> None:
    project.path.write_text(project.path.read_text().replace("forward: dr", "forward: nat"))
    changed = load(project.path)
    lives = healthy(changed.topology)
    managed = dict.fromkeys(changed.topology.managed(), ())
    checks = run(changed, VerifySnapshot(Snapshot(changed.topology, lives), {}, managed, NOT_ASKED))
    assert all(check.ok for check in checks.values())
    assert {
        name for name, _ in checks if name.startswith("serves_vip") or "NOTSET" in name
    } == set()


def test_nothing_is_printed_and_the_operators_options_do_not_matter(
    project: Project,
    well: VerifySnapshot,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only -v")
    (project.path.parent / "pytest.ini").write_text("[pytest]\naddopts = --nosuchoption\n")
    assert len(run(project, well)) > 20
    assert capfd.readouterr() == ("", "")


def test_junit_has_every_check(project: Project, well: VerifySnapshot, tmp_path: Path) -> None:
    checks = run(project, well, tmp_path / "junit.xml")
    cases = list(ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase"))
    assert len(cases) == len(checks)
    assert sum(case.find("skipped") is not None for case in cases) == 4


@pytest.mark.parametrize(
    ("checks", "unreachable", "code"),
    [
        ([Check("a", "", True, None, 0.0)], (), Exit.OK),
        ([Check("a", "", True, None, 0.0), Check("b", "", True, "no client", 0.0)], (), Exit.OK),
        ([Check("a", "", True, None, 0.0), Check("b", "", False, None, 0.0)], (), Exit.FAILED),
        ([Check("a", "", True, "no client", 0.0)], (), Exit.FAILED),
        ([], (), Exit.FAILED),
        ([Check("a", "", False, None, 0.0, unknown=True)], ("web1",), Exit.UNREACHABLE),
    ],
    ids=["passed", "some skipped", "failed", "all skipped", "nothing", "unreachable"],
)
def test_exit_codes(checks: list[Check], unreachable: tuple[str, ...], code: Exit) -> None:
    coverage = Coverage(("web1", "web2"), dict.fromkeys(unreachable, "no route"))
    result = Verification(tuple(checks), coverage)
    assert result.exit is code
    assert result.json()["ok"] is (code is Exit.OK)


def test_only_the_tests_of_a_failed_host_raise_its_error(well: VerifySnapshot) -> None:
    failed = replace(well, errors={"web2": HostError("web2", "gone")})
    failed.require("web1", "lvs1")
    with pytest.raises(HostError, match="gone"):
        failed.require("web1", "web2")
