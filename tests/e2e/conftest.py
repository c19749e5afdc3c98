"""One lab for most tests: deployed once, and every test leaves it as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import model
from tests.e2e.site import Run, Site

NAME = "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here except for the wheel's needs the whole lab."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.path.name != "test_wheel.py":
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.timeout(900))
            item.add_marker(pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"))


@dataclass(frozen=True)
class First:
    """The first runs on new hosts, one after the other."""

    site: Site
    planned: Any
    deployed: Run
    redeployed: Run


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[First]:
    folder = tmp_path_factory.mktemp("e2e")
    model.write_roles(folder)
    site = Site(NAME, folder)
    site.write(model.base(NAME))
    site.lab("down")
    try:
        site.lab("up")
        site.hosts = model.HOSTS
        planned = site.plan()
        deployed = site.hactl("deploy", "--yes", "--json")
        yield First(site, planned, deployed, site.hactl("deploy", "--yes"))
    finally:
        site.write(model.base(NAME))
        for host in model.HOSTS:
            site.forget(host)
        site.lab("down")


@pytest.fixture
def site(first: First) -> Iterator[Site]:
    """The deployed site; a test that changes hosts deploys `model.base` again at its end."""
    assert first.deployed.code == 0, first.deployed
    first.site.write(model.base(NAME))
    yield first.site
    first.site.write(model.base(NAME))
