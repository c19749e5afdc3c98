"""The pytest plugin of a verify run: fixtures, parameters, and the collected results.

A test may take `snapshot`, `topology` and `host`. `host` is testinfra's; the test runs once for
every managed host, or for the hosts and groups that the marker `hosts` names. `_parameters` has the
parameters of the suite's own tests.
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
    """Fail the test with a line for each finding; pass where there is no finding.

    The line of a finding names its host, except for the host `about`.
    """
    lines = [
        str(replace(finding, host="") if finding.host == about else finding) for finding in findings
    ]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


@dataclass(eq=False)  # pluggy wants to hash it
class VerifyPlugin:
    """Gives tests their fixtures and parameters, and collects a Check for each test."""

    project: Project
    sessions: Sessions
    state: VerifySnapshot
    checks: list[Check] = field(default_factory=list)

    @pytest.fixture(scope="session")
    def snapshot(self) -> VerifySnapshot:
        """The state at the begin of the run."""
        return self.state

    @pytest.fixture(scope="session")
    def topology(self) -> Topology:
        """The front ends and hosts of the inventory."""
        return self.project.topology

    @pytest.fixture(scope="session")
    def host(self, request: pytest.FixtureRequest) -> Host:
        """testinfra's host, one after the other."""
        self.state.require(request.param)
        return testinfra_host(self.sessions, request.param)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Declare the markers."""
        config.addinivalue_line(
            "markers", "hosts(*names): run on these hosts and groups, not on all managed hosts"
        )
        config.addinivalue_line("markers", "wire: sends requests from the client")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrise a test by the inventory.

        Raises:
            CollectError: the marker `hosts` has a name that is neither a host nor a group, or
                that means no managed host.
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
        """The hosts that the marker's names mean, in inventory order."""
        inventory, hosts = self.project.inventory, set[str]()
        for name in names:
            members = {name} if name in inventory.hosts else set[str]()
            members |= set(inventory.members(name)) if name in inventory.groups else set()
            if not members:
                raise pytest.Collector.CollectError(
                    f"the marker `hosts` names {name}, which is no host and no group with hosts"
                )
            hosts |= members
        if unmanaged := hosts - set(self.sessions.targets):
            raise pytest.Collector.CollectError(
                f"the marker `hosts` names {', '.join(unmanaged)}: not managed by hactl"
            )
        if not hosts:
            raise pytest.Collector.CollectError("the marker `hosts` names no host")
        return tuple(host for host in self.sessions.targets if host in hosts)

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
            "vip": tuple(self.state.seen.vips()),
            "served": served(topology.frontends),
        }

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Name each test's check and host; drop tests without a subject (no real servers)."""
        items[:] = [item for item in items if not (_is_in_suite(item) and "NOTSET" in item.name)]
        for item in items:
            name, host = _name_and_host(item)
            item.user_properties += [("check", name), ("host", host)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a finding or an unreachable host as its message, without a traceback."""
        report = yield
        error = call.excinfo and call.excinfo.value
        if isinstance(error, HactlError) or (
            isinstance(error, pytest.fail.Exception) and not error.pytrace
        ):
            report.longrepr = str(error)
        if error in self.state.errors.values():
            report.user_properties.append(("unknown", True))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the result of a test's call, and of a set-up or tear-down that failed."""
        if report.when == "call" or not report.passed:
            properties = dict(report.user_properties)
            name, host = str(properties["check"]), str(properties["host"])
            skipped = _reason(report) if report.skipped else None
            message = _message(report) if report.failed else ""
            if report.passed:
                message = str(properties.get("note", ""))
            unknown = bool(properties.get("unknown", False))
            self.checks.append(
                Check(name, host, not report.failed, skipped, report.duration, message, unknown)
            )

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Report a file that cannot be collected as a failed check."""
        if report.failed:
            self.checks.append(
                Check(report.nodeid or OWN_TESTS, "", False, None, 0.0, report.longreprtext.strip())
            )


def _is_in_suite(item: pytest.Item) -> bool:
    """Whether hactl ships the test."""
    return SUITE in item.path.parents


def _id(value: Any) -> str:
    """The name of a parameter's value in a test's id."""
    if isinstance(value, ResolvedFrontend):
        return value.name
    if isinstance(value, ServerAddress):
        return f"{value.host}-{value}"
    name: Callable[[], str] | str = getattr(value, "__name__", str(value))
    return str(name)


def _name_and_host(item: pytest.Item) -> tuple[str, str]:
    """The name of a test's check and its host, which is empty for a whole front end."""
    parameters = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    if not _is_in_suite(item):
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
    """The reason of a skipped test."""
    return (
        str(report.longrepr[2]).removeprefix("Skipped: ")
        if isinstance(report.longrepr, tuple)
        else "skipped"
    )


def _message(report: pytest.TestReport) -> str:
    """The message of a failed test: a finding, or place and assertion of an operator's test."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext.strip()
    return f"{crash.path}:{crash.lineno}: {crash.message}"
