"""Fixtures of all scenarios: the hosts of the inventory, one at a time, or all directors together.

The environment has the name of the scenario; its inventory and its lab have the same name.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

FOLDER = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
LAB = f"molecule-{os.environ['MOLECULE_SCENARIO_NAME']}"
HACTL_FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "hactl"
"""The passwords and CAs of shared/with-passwords."""


def hactl(*words: str) -> subprocess.CompletedProcess[str]:
    """The result of a hactl command in the scenario's folder, with the inventory's passwords."""
    argv = ["sh", "../shared/with-passwords", "hactl", *words]
    return subprocess.run(argv, cwd=FOLDER, check=False, capture_output=True, text=True)


def passwords() -> dict[str, str]:
    """The random passwords of this run, by variable of the inventory."""
    return dict(
        line.split("=", 1) for line in (HACTL_FOLDER / "passwords").read_text().splitlines()
    )


def read_groups(inventory: Path) -> dict[str, list[str]]:
    """The hosts of every group, as `hactl inventory --list` prints them."""
    done = hactl("inventory", str(inventory), "--list")
    assert done.returncode == 0, done.stderr
    groups = json.loads(done.stdout)
    return {name: group["hosts"] for name, group in groups.items() if "hosts" in group}


GROUPS = read_groups(FOLDER / "inventory" / f"{LAB}.yml")


def log_in(name: str, config: pytest.Config) -> Host:
    """A host of the lab; ssh keeps one connection to it for all tests."""
    socket = f"/run/hactl/lab/{LAB}/ssh-%%h"  # doubled, since testinfra formats its commands
    return testinfra.get_host(
        f"ssh://{name}", ssh_config=config.getoption("ssh_config"), controlpath=socket
    )


def holders(directors: list[Host], vip: str) -> list[Host]:
    """The directors that have the VIP."""
    return [
        host
        for host in directors
        if f" {vip}/32 " in host.check_output("ip -oneline -4 address show")
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the fixture `director`, `real_server` or `broker` once for each such host."""
    for fixture, group in (
        ("director", "directors"),
        ("real_server", "web"),
        ("broker", "brokers"),
    ):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, GROUPS[group], indirect=True, scope="session")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run that skipped a test or had none: it proves nothing."""
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
def broker(request: pytest.FixtureRequest) -> Host:
    """One broker; the test runs for each."""
    return log_in(request.param, request.config)


@pytest.fixture(scope="session")
def directors(pytestconfig: pytest.Config) -> list[Host]:
    """All directors, for checks of the whole group."""
    return [log_in(name, pytestconfig) for name in GROUPS["directors"]]


@pytest.fixture(scope="session")
def vip(directors: list[Host]) -> str:
    """The VIP of an inventory that has one service."""
    table = directors[0].check_output("ipvsadm --save --numeric").splitlines()
    (service,) = {line.split()[2] for line in table if line.startswith("-A")}
    return service.rpartition(":")[0]


@pytest.fixture(scope="session")
def client(pytestconfig: pytest.Config) -> Host:
    """The host that is neither director nor real server."""
    return log_in(GROUPS["clients"][0], pytestconfig)
