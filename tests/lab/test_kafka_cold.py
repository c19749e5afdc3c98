"""Time and memory of the shipped inventories with Kafka, without image, jars and keys at the start.

`pytest -m proof tests/lab/test_kafka_cold.py -rP` prints the figures; they need an idle machine.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.core.errors import HactlError
from provision.deploy.project import Project, load
from provision.hosts.sessions import Sessions
from provision.kafka.admin import ask
from provision.kafka.ssh_tunnel import client
from provision.lab import cgroups
from tests import REPOSITORY
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

HACTL = Path(sys.executable).parent / "hactl"
MAX_SECONDS = 240
"""From nothing to an answer through the VIP."""

MAX_MEMORY = 6e9
"""Bytes of the whole lab."""


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for everything that stays between labs."""
    with tempfile.TemporaryDirectory(prefix="hactl-cold-") as folder:
        monkeypatch.setenv("HACTL_CACHE", folder)
        monkeypatch.setenv("XDG_STATE_HOME", f"{folder}/state")
        monkeypatch.setenv("MAVEN_OPTS", f"-Dmaven.repo.local={folder}/maven")
        yield Path(folder)


def hactl(*words: str) -> float:
    """Run a command that must succeed; returns its duration in seconds."""
    began = time.monotonic()
    ran = subprocess.run(
        [HACTL, *words], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return time.monotonic() - began


def brokers_by_vip(project: Project) -> set[int]:
    """The brokers that a client finds through the virtual address; none if nothing answers."""
    hosts = project.targets((*project.managed(), *project.topology.clients), True)
    try:
        with (
            Sessions(hosts) as sessions,
            client(project, sessions.of, user="admin", lab=True) as login,
        ):
            brokers = ask(login, lambda admin: admin.describe_cluster())["brokers"]
            return {broker["broker_id"] for broker in brokers}
    except HactlError:
        return set()


def memory(lab: str) -> dict[str, float]:
    """The memory of a lab's hosts in bytes: the proportional set size (PSS) of their processes."""
    bytes_by_host = {}
    for host in cgroups.children(f"hl-{lab}"):
        total = 0
        for pid in cgroups.members(f"hl-{lab}/{host}"):
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:  # it has ended, or is a kernel thread
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        bytes_by_host[host] = float(total)
    return bytes_by_host


@pytest.mark.parametrize("stem", ["kafka", "kafka-zookeeper"])
def test_from_nothing_to_an_answer(
    stem: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"cold-{stem}"
    path = empty_cache / f"{name}.yml"
    shutil.copy(REPOSITORY / "inventories" / f"{stem}.yml", path)  # a lab has the name of its file
    for variable in re.findall(r"!env (\w+)", path.read_text()):
        monkeypatch.setenv(variable, secrets.token_hex(12))
    load1 = os.getloadavg()[0]
    try:
        up = hactl("lab", "up", str(path))
        deployed = hactl("deploy", str(path), "--yes", "--lab")
        project = load(path)
        began = time.monotonic()
        wait_until(
            lambda: brokers_by_vip(project) == {1, 2, 3},
            MAX_SECONDS,
            0.5,
            "an answer through the VIP",
        )
        answered = time.monotonic() - began
        used = memory(name)
    finally:
        hactl("lab", "down", str(path))
    total, bytes_used = up + deployed + answered, sum(used.values())
    parts = f"up {up:.0f}, deploy {deployed:.0f}, answer {answered:.0f}"
    print(f"{stem}: {total:.0f} s ({parts}) at load {load1:.1f}")
    megabytes = ", ".join(f"{host} {of_host / 1e6:.0f}" for host, of_host in sorted(used.items()))
    print(f"{stem}: {bytes_used / 1e9:.2f} GB (MB: {megabytes})")
    assert total < MAX_SECONDS
    assert bytes_used < MAX_MEMORY
