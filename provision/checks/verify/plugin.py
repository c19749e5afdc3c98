"""The pytest plugin of a verify run: the fixtures tests ask for, what they are parametrised by, what became of them.

A test may take `snapshot`, `topology` and `host` (testinfra's, once for every managed host, or for those of the marker
`hosts`, by names of hosts and groups). The parameters of the suite's own tests are named in `_parameters`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest
from testinfra.host import Host

from provision.checks.verify.backend import testinfra_host
from provision.checks.verify.result import OWN_TESTS, SUITE, Check
from provision.checks.verify.snapshot import VerifySnapshot
from provision.checks.verify.wire import ServerAddress, served
from provision.core.errors import HactlError
from provision.deploy.project import Project
from provision.hosts.live.checks import DIRECTOR, FRONTEND, HOST, REAL_SERVER
from provision.hosts.live.state import LiveFinding
from provision.hosts.sessions import Sessions
from provision.inventory.frontends import ResolvedFrontend
from provision.inventory.topology import Topology

Reporting = Generator[None, pytest.TestReport, pytest.TestReport]


def refuse(findings: Iterable[LiveFinding], about: str = "") -> None:
    """Fail the test with the findings, a line each; pass where there are none.

    A finding names its host, unless that is the one the test is `about`.
    """
    if lines := [str(replace(each, host="") if each.host == about else each) for each in findings]:
        pytest.fail("\n".join(lines), pytrace=False)


@dataclass(eq=False)  # pluggy wants to hash it
class VerifyPlugin:
    """Gives tests what they ask for and collects a Check for each."""

    project: Project
    sessions: Sessions
    found: VerifySnapshot
    checks: list[Check] = field(default_factory=list)

    @pytest.fixture(scope="session")
    def snapshot(self) -> VerifySnapshot:
        """Everything as it was found when the run began."""
        return self.found

    @pytest.fixture(scope="session")
    def topology(self) -> Topology:
        """The front ends and hosts of the inventory."""
        return self.project.topology

    @pytest.fixture(scope="session")
    def host(self, request: pytest.FixtureRequest) -> Host:
        """testinfra's host, one after the other."""
        self.found.require(request.param)
        return testinfra_host(self.sessions, request.param)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the markers."""
        config.addinivalue_line(
            "markers", "hosts(*names): run on these hosts and groups, not on all managed hosts"
        )
        config.addinivalue_line("markers", "wire: asks the wire from the client")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrise a test by the inventory.

        Raises:
            CollectError: a name in the marker `hosts` is neither a host nor a group, or stands for no managed host.
        """
        if "host" in metafunc.fixturenames:
            marker = metafunc.definition.get_closest_marker("hosts")
            hosts = self._marked(marker.args) if marker else self.project.managed()
            metafunc.parametrize("host", hosts, ids=hosts, indirect=True, scope="session")
        for name in metafunc.fixturenames:
            if name in self._parameters:
                values = self._parameters[name]
                metafunc.parametrize(name, values, ids=list(map(_id, values)))

    def _marked(self, names: Sequence[str]) -> tuple[str, ...]:
        """The hosts that the marker's names stand for, in inventory order."""
        inventory, wanted = self.project.inventory, set[str]()
        for name in names:
            members = {name} if name in inventory.hosts else set[str]()
            members |= set(inventory.members(name)) if name in inventory.groups else set()
            if not members:
                raise pytest.Collector.CollectError(
                    f"the marker `hosts` names {name}, and no host is called or in it"
                )
            wanted |= members
        if stray := wanted - set(self.sessions.targets):
            raise pytest.Collector.CollectError(
                f"the marker `hosts` names {', '.join(stray)}: not managed by hactl"
            )
        if not wanted:
            raise pytest.Collector.CollectError("the marker `hosts` names nothing")
        return tuple(host for host in self.sessions.targets if host in wanted)

    @cached_property
    def _parameters(self) -> dict[str, Sequence[Any]]:
        topology = self.project.topology
        return {
            "managed": topology.managed(),
            "any_host": tuple(self.sessions.targets),
            "host_check": HOST,
            "director": topology.directors(),
            "director_check": DIRECTOR,
            "real_server": topology.real_servers(),
            "real_server_check": REAL_SERVER,
            "frontend": topology.frontends,
            "frontend_check": FRONTEND,
            "vip": tuple(self.found.seen.vips()),
            "served": served(topology.frontends),
        }

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Name each test as the results do, and drop those that have nothing to be about (no real servers, say)."""
        items[:] = [item for item in items if not (_is_own(item) and "NOTSET" in item.name)]
        for item in items:
            name, host = _named(item)
            item.user_properties += [("check", name), ("host", host)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A finding, or a host that is not reached, is its message and no traceback."""
        report = yield
        error = call.excinfo and call.excinfo.value
        if isinstance(error, HactlError) or (
            isinstance(error, pytest.fail.Exception) and not error.pytrace
        ):
            report.longrepr = str(error)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of a test: its call, and a set-up or tear-down that did not pass."""
        if report.when == "call" or not report.passed:
            properties = dict(report.user_properties)
            name, host = str(properties["check"]), str(properties["host"])
            skipped = _reason(report) if report.skipped else None
            message = (
                str(properties.get("note", ""))
                if report.passed
                else _message(report)
                if report.failed
                else ""
            )
            self.checks.append(
                Check(name, host, not report.failed, skipped, report.duration, message)
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is a failure."""
        if report.failed:
            self.checks.append(
                Check(report.nodeid or OWN_TESTS, "", False, None, 0.0, report.longreprtext.strip())
            )


def _is_own(item: pytest.Item) -> bool:
    return SUITE in item.path.parents


def _id(value: Any) -> str:
    """The name of a parameter's value in a test's id: a check's, a front end's, or itself."""
    if isinstance(value, ResolvedFrontend):
        return value.name
    if isinstance(value, ServerAddress):
        return f"{value.host}-{value}"
    name: Callable[[], str] | str = getattr(value, "__name__", str(value))
    return str(name)


def _named(item: pytest.Item) -> tuple[str, str]:
    """The name of a test's check and the host it is about, empty for a whole front end."""
    parameters = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    if not _is_own(item):
        return item.nodeid, str(parameters.get("host", ""))
    check, host = item.name.partition("[")[0].removeprefix("test_"), ""
    subject = ""
    for name, value in parameters.items():
        if name.endswith("_check"):
            check = _id(value)
        elif isinstance(value, ServerAddress):
            host, subject = value.host, f" {value}"
        elif name in ("frontend", "vip"):
            subject = f" {_id(value)}"
        else:
            host = str(value)
    return check + subject, host


def _reason(report: pytest.TestReport) -> str:
    return (
        str(report.longrepr[2]).removeprefix("Skipped: ")
        if isinstance(report.longrepr, tuple)
        else "skipped"
    )


def _message(report: pytest.TestReport) -> str:
    """What a failed test says: a finding's words as they are, of an operator's own test its place and assertion."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext.strip()
    return f"{crash.path}:{crash.lineno}: {crash.message}"
