"""The shipped inventories with Kafka from nothing: no image, no jars, no keys. How long that takes, how much memory.

`pytest -m proof tests/lab/test_kafka_cold.py -rP` prints the figures; they want a machine that has nothing else to do.
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

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

HACTL = Path(sys.executable).parent / "hactl"
SECONDS = 240
MEMORY = 6e9


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for everything that is kept from one lab to the next."""
    with tempfile.TemporaryDirectory(prefix="hactl-cold-") as folder:
        monkeypatch.setenv("HACTL_CACHE", folder)
        monkeypatch.setenv("XDG_STATE_HOME", f"{folder}/state")
        monkeypatch.setenv("MAVEN_OPTS", f"-Dmaven.repo.local={folder}/maven")
        yield Path(folder)


def hactl(*words: str) -> float:
    """Run a command that must succeed; the seconds it took."""
    began = time.monotonic()
    ran = subprocess.run(
        [HACTL, *words], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return time.monotonic() - began


def brokers_by_vip(project: Project) -> set[int]:
    """The brokers that a client hears of which bootstraps through the virtual address; none where nobody answers."""
    hosts = project.targets((*project.managed(), *project.topology.clients), True)
    try:
        with (
            Sessions(hosts) as sessions,
            client(project, sessions.of, user="admin", lab=True) as login,
        ):
            return {
                each["broker_id"]
                for each in ask(login, lambda admin: admin.describe_cluster())["brokers"]
            }
    except HactlError:
        return set()


def memory(lab: str) -> dict[str, float]:
    """Bytes of each host of a lab: what its processes have for themselves, and their parts of what they share (PSS)."""
    found = {}
    for host in cgroups.children(f"hl-{lab}"):
        total = 0
        for pid in cgroups.members(f"hl-{lab}/{host}"):
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:  # it ended meanwhile, or is a kernel's own
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
        found[host] = float(total)
    return found


@pytest.mark.parametrize("stem", ["kafka", "kafka-zookeeper"])
def test_from_nothing_to_an_answer(
    stem: str, nothing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"cold-{stem}"
    path = nothing / f"{name}.yml"
    shutil.copy(REPOSITORY / "inventories" / f"{stem}.yml", path)  # a lab is called after its file
    for variable in re.findall(r"!env (\w+)", path.read_text()):
        monkeypatch.setenv(variable, secrets.token_hex(12))
    load1 = os.getloadavg()[0]
    try:
        up = hactl("lab", "up", str(path))
        deployed = hactl("deploy", str(path), "--yes", "--lab")
        project = load(path)
        began = time.monotonic()
        while brokers_by_vip(project) != {1, 2, 3}:
            assert time.monotonic() - began < SECONDS, "the virtual address does not answer"
            time.sleep(0.5)
        answered = time.monotonic() - began
        used = memory(name)
    finally:
        hactl("lab", "down", str(path))
    total, bytes_used = up + deployed + answered, sum(used.values())
    print(
        f"{stem}: {total:.0f} s (up {up:.0f}, deploy {deployed:.0f}, answer {answered:.0f}) at load {load1:.1f}"
    )
    each = ", ".join(f"{host} {of_host / 1e6:.0f}" for host, of_host in sorted(used.items()))
    print(f"{stem}: {bytes_used / 1e9:.2f} GB (MB: {each})")
    assert total < SECONDS
    assert bytes_used < MEMORY
