"""One switch with a client, two hosts and a web server for all tests of the prober."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.prober.lan import Lan


@pytest.fixture(scope="session")
def lan() -> Iterator[Lan]:
    if os.getuid() != 0:
        pytest.skip("network namespaces need root")
    for tool in ("ip", "nsenter", "nft", "ss", "keepalived"):
        assert shutil.which(tool), f"{tool} is missing"
    lan = Lan(f"hactl-p{os.getpid()}")
    try:
        with lan.a.web(80):
            yield lan
    finally:
        lan.delete()
