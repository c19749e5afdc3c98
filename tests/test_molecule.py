"""The molecule scenarios as their users run them, each with its lab gone afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests import REPOSITORY

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

BIN = Path(sys.executable).parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Molecule's environment: plain output, and a separate ANSIBLE_HOME.

    Two clones of the project would otherwise share a working folder.
    """
    path = f"{BIN}:{os.environ['PATH']}"
    plain = {"NO_COLOR": "1", "MOLECULE_COMMAND_BORDERS": "false"}
    return {**os.environ, "PATH": path, "ANSIBLE_HOME": str(tmp_path), **plain}


def molecule(environment: dict[str, str], *words: str) -> str:
    """The output of a molecule command that must succeed."""
    ran = subprocess.run(
        [BIN / "molecule", *words], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


#: The steps of each scenario, and how many tests its verify step runs.
SCENARIOS = {
    "change": (("create", "prepare", "converge", "idempotence", "verify", "destroy"), 15),
    "default": (("create", "converge", "idempotence", "verify", "destroy"), 19),
    "failover": (("create", "converge", "side_effect", "verify", "destroy"), 34),
    "kafka": (("create", "converge", "idempotence", "verify", "destroy"), 23),
    "kafka-zookeeper": (("create", "converge", "idempotence", "verify", "destroy"), 32),
}


def remains() -> list[str]:
    """Leftovers of the scenarios' labs here: state, namespaces, mounts, disks, processes."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    cache = Path(os.environ.get("HACTL_CACHE") or "/var/cache/hactl") / "lab" / "hosts"
    paths = [*Path("/run/hactl/lab").glob("molecule-*"), *cache.glob("molecule-*")]
    paths += Path("/run/netns").glob("hl-molecule*")
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended meanwhile
            commands.append(path.read_bytes())
    return [
        *(str(path) for path in paths),
        *(mount for mount in mounts if f"{cache}/molecule-" in mount),
        *(command.decode() for command in commands if b"hl-molecule" in command),
    ]


#: The second of Kafka's two scenarios takes four more minutes, and is in tier kafka.
CASES = [
    pytest.param(name, marks=pytest.mark.kafka if name == "kafka-zookeeper" else ())
    for name in sorted(SCENARIOS)
]


@pytest.mark.parametrize("scenario", CASES)
def test_the_scenario_passes_and_leaves_nothing(environment: dict[str, str], scenario: str) -> None:
    steps, tests = SCENARIOS[scenario]
    output = molecule(environment, "test", "-s", scenario)
    for step in steps:
        assert f"{scenario} > {step}: Executed: Successful" in output
    # molecule is green, too, when it found no test.
    assert re.findall(r"^(\d+) passed in", output, re.MULTILINE) == [str(tests)], output
    assert remains() == []


def test_destroy_takes_away_what_a_killed_create_left(environment: dict[str, str]) -> None:
    inventory = "molecule/default/inventory/molecule-default.yml"
    hactl = subprocess.Popen([BIN / "hactl", "lab", "up", inventory], cwd=REPOSITORY)
    while hactl.poll() is None and not list(Path("/run/netns").glob("hl-molecule-*")):
        time.sleep(0.02)
    hactl.kill()
    hactl.wait()
    assert remains()
    molecule(environment, "destroy")
    assert remains() == []
