"""Keepalived's scripts run as nobody. Only scripts that root alone can change run as root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.core.facts import Facts
from provision.core.shipped import shipped
from provision.desired.host_variables import host_variables
from provision.desired.templates import render_file
from tests.inventory.building import DUAL, frontend, topology

pytestmark = [
    pytest.mark.keepalived,
    pytest.mark.skipif(
        shutil.which("keepalived") is None or os.geteuid() != 0,
        reason="needs root and the package keepalived",
    ),
]

RUN = """
ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth0 up; ip link set eth1 up
ip addr add 192.168.227.101/24 dev eth0
mkdir -p /var/lib/hactl
mount -t tmpfs none /var/lib/hactl
mkdir /var/lib/hactl/handover
exec keepalived --vrrp --dont-fork --log-console --log-detail \\
    -f "$0/keepalived.conf" -p "$0/pid" -r "$0/vrrp.pid"
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder of root below folders of root, unlike /tmp. Everybody may enter it."""
    path = Path(tempfile.mkdtemp(prefix="hactl-security-", dir="/var/lib"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def run_as_master(folder: Path, notify: Any) -> tuple[str, str]:
    """What `notify_master` wrote about itself, and keepalived's log; empty where it was not run."""
    script = folder / "notify"
    script.write_text(
        f'#!/bin/sh\nid -u >"{folder}/out/by.new" && mv "{folder}/out/by.new" "{folder}/out/by"\n'
    )
    script.chmod(0o755)
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    site = topology(
        [frontend(vrrp={"virtual_router_id": 10, "advert_int": 0.1, "notify_master": notify})],
        hosts=DUAL,
    )
    text = render_file(
        shipped("roles") / "keepalived" / "templates",
        "keepalived.conf.j2",
        host_variables(site, "lvs1", Facts()),
    )
    (folder / "keepalived.conf").write_text(text)
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-ec", RUN, str(folder)],
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    end = time.monotonic() + 15
    try:
        while "Entering MASTER STATE" not in log.read_text(errors="replace"):
            assert process.poll() is None and time.monotonic() < end, log.read_text(
                errors="replace"
            )
            time.sleep(0.05)
        end = time.monotonic() + 5
        while not (folder / "out/by").exists() and "Unsafe" not in log.read_text(errors="replace"):
            assert time.monotonic() < end, log.read_text(errors="replace")
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    by = folder / "out/by"
    return by.read_text().strip() if by.exists() else "", log.read_text(errors="replace")


def test_a_script_runs_as_nobody(folder: Path) -> None:
    assert run_as_master(folder, f"{folder}/notify")[0] == "65534"


def test_a_script_that_says_so_runs_as_root(folder: Path) -> None:
    assert run_as_master(folder, {"command": f"{folder}/notify", "user": "root"})[0] == "0"


def test_what_others_can_change_never_runs_as_root(folder: Path) -> None:
    folder.chmod(0o757)
    by, log = run_as_master(folder, {"command": f"{folder}/notify", "user": "root"})
    assert by == "" and f"Unsafe permissions found for script '{folder}/notify' - disabling" in log
