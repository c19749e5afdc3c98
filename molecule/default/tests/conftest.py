"""Hosts of the scenario as fixtures: each director and each real server in turn, or all directors at once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

INVENTORY = Path(__file__).parents[1] / "inventory" / "molecule.yml"
VIP = "192.168.231.10"


def read_groups() -> dict[str, list[str]]:
    """The hosts of every group, as `hactl inventory --list` prints them."""
    argv = ["hactl", "inventory", str(INVENTORY), "--list"]
    listed = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    return {name: group["hosts"] for name, group in listed.items() if "hosts" in group}


GROUPS = read_groups()


def log_in(name: str, config: pytest.Config) -> Host:
    """A host of the lab by name; ssh keeps one connection to it for all tests."""
    socket = "/run/hactl/lab/molecule/ssh-%%h"  # doubled, since testinfra formats its commands
    return testinfra.get_host(f"ssh://{name}", ssh_config=config.getoption("ssh_config"), controlpath=socket)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for `director` or `real_server` once for each of them."""
    for fixture, group in (("director", "directors"), ("real_server", "web")):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, GROUPS[group], indirect=True, scope="session")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A run that skipped a test, or had none, is no proof: it fails."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    proven = reporter.stats.get("passed") and not reporter.stats.get("skipped")
    if exitstatus == pytest.ExitCode.OK and not proven:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.fixture(scope="session")
def director(request: pytest.FixtureRequest) -> Host:
    """One director; the test runs for each."""
    return log_in(request.param, request.config)


@pytest.fixture(scope="session")
def real_server(request: pytest.FixtureRequest) -> Host:
    """One real server; the test runs for each."""
    return log_in(request.param, request.config)


@pytest.fixture(scope="session")
def directors(pytestconfig: pytest.Config) -> list[Host]:
    """All directors, for what holds of them together."""
    return [log_in(name, pytestconfig) for name in GROUPS["directors"]]


@pytest.fixture(scope="session")
def client(pytestconfig: pytest.Config) -> Host:
    """The host that is neither director nor real server."""
    return log_in(GROUPS["clients"][0], pytestconfig)
