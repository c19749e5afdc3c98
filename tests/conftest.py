"""In CI no test is skipped in silence, and hypothesis tries the same examples for a commit.

Elsewhere hypothesis tries new examples in each run; a finding becomes an `@example`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: what an example takes says how busy the machine is.
settings.register_profile("hactl", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("hactl")


@pytest.fixture(autouse=True, scope="session")
def kafka_examples(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Passwords for the shipped Kafka inventories, and a state folder that ends with the run."""
    for user in ("ADMIN", "CHECK", "ORDERS", "BILLING", "ZOOKEEPER", "QUORUM"):
        os.environ.setdefault(f"HACTL_KAFKA_{user}", f"secret-{user.lower()}")
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run in CI that skipped anything; `-ra` prints the reasons."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if (
        os.environ.get("CI")
        and reporter
        and reporter.stats.get("skipped")
        and not session.exitstatus
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the certificates that hactl makes in the test's folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
