"""A host in a scratch folder, and an unprivileged user who reads files and plants links."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hosts.agent.local import LocalHost
from tests.hosts.conftest import net  # noqa: F401  (a fixture)

NOBODY = 65534


@dataclass
class Sighting:
    """What the unprivileged user saw."""

    seen: list[str]
    rounds: int = 0


@contextlib.contextmanager
def unprivileged(
    secret: str, folders: list[Path], links: Mapping[Path, Path] | None = None
) -> Iterator[Sighting]:
    """Run an unprivileged user who searches `secret` and plants `links` until the block ends."""
    script = Path(__file__).with_name("spy.py").read_text()
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", script, str(NOBODY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin and process.stdout
    planted = {str(path): str(target) for path, target in (links or {}).items()}
    task = {"secret": secret, "folders": [str(folder) for folder in folders], "links": planted}
    process.stdin.write(json.dumps(task) + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    sighting = Sighting([])
    try:
        yield sighting
    finally:
        report = json.loads(process.communicate(timeout=20)[0])
        sighting.seen, sighting.rounds = report["seen"], report["rounds"]


@pytest.fixture
def host() -> Iterator[LocalHost]:
    """A host in a folder that everybody may enter, unlike pytest's own."""
    if os.getuid() != 0:
        pytest.skip("a user other than one's own needs root")
    root = Path(tempfile.mkdtemp(prefix="hactl-security-"))
    root.chmod(0o755)
    local = LocalHost(root, "dash")
    try:
        yield local
    finally:
        local.end()
        shutil.rmtree(root)
