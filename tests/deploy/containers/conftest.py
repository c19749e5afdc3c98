"""One set of containers for all tests; before each test the plain inventory is deployed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from provision.core.errors import Exit
from provision.lab.control import down, up
from provision.lab.plan import LabSpec
from tests.deploy.containers.containers import DIRECTORS, HOSTS, Site

NAME = "rollout"


def _ignore(_: str) -> None:
    """Ignore the progress of the lab."""


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    down(NAME, _ignore)
    up(LabSpec.of(NAME, [(host, address, False) for host, address in HOSTS.items()]), _ignore)
    try:
        site = Site(NAME, tmp_path_factory.mktemp(NAME))
        for host in DIRECTORS:
            site.ssh(host, "apt-get install -y nginx >/dev/null 2>&1 && systemctl start nginx")
        yield site
    finally:
        down(NAME, _ignore)


@pytest.fixture
def site(containers: Site) -> Site:
    done = containers.deploy()
    assert done.code == Exit.OK, done
    return containers
