"""Every test here runs under both shells that the hosts have as /bin/sh."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.agent.local import LocalHost


@pytest.fixture(params=["dash", "busybox", "bash"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalHost]:
    assert shutil.which(request.param), f"install {request.param}: the agents are tested under it"
    local = LocalHost(tmp_path, request.param)
    yield local
    local.end()
