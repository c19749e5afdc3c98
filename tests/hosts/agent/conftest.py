"""Every test here runs under both shells that the hosts have as /bin/sh."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.namespace import NamespaceHost


@pytest.fixture(params=["dash", "busybox", "bash"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalHost]:
    assert shutil.which(request.param), f"install {request.param}: the agents are tested under it"
    local = LocalHost(tmp_path, request.param)
    yield local
    local.end()


@pytest.fixture(params=["dash", "busybox"])
def namespace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NamespaceHost]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    name = f"hd-{os.getpid()}-{request.param}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        yield NamespaceHost(name, tmp_path, request.param)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
