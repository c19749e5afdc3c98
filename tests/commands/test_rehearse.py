"""`hactl rehearse` as an operator runs it: one with a change, and one that is interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provision.commands.rehearse import rehearse
from provision.core.errors import LabError, UsageError
from provision.deploy.project import load
from tests import REPOSITORY

HACTL = Path(sys.executable).parent / "hactl"
LAB = REPOSITORY / "inventories" / "lab.yml"
CHANGE = REPOSITORY / "docs" / "examples" / "change" / "lab.yml"
NAME = "lab-rehearsal"

STRADDLING = 2
"""Handshakes that begin on one director with the old servers and end on the other with the new."""

whole = [
    pytest.mark.proof,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]


def test_an_unknown_drill_is_refused_before_anything_boots() -> None:
    with pytest.raises(UsageError, match="no drill earthquake"):
        rehearse(load(LAB), None, drills=("earthquake",), report=None, json=False)


def test_an_inventory_without_a_client_is_refused_before_anything_boots(tmp_path: Path) -> None:
    without = tmp_path / "site.yml"
    text = LAB.read_text()
    without.write_text(text[: text.index("    clients:")])
    with pytest.raises(LabError, match="has no client"):
        rehearse(load(without), None, drills=(), report=None, json=False)


def remains() -> list[str]:
    """What is left of the rehearsal's lab on this machine."""
    cache = Path(os.environ.get("HACTL_CACHE") or "/var/cache/hactl") / "lab" / "hosts" / NAME
    paths = [Path("/run/hactl/lab") / NAME, cache, *Path("/run/netns").glob(f"hl-{NAME}*")]
    return [str(path) for path in paths if path.exists()]


def additive() -> str:
    """The example of a change, with web2 kept: a removed real server loses its requests."""
    text = CHANGE.read_text()
    start = text.index("    decommissioned:")
    kept = "        web2: {ansible_host: 192.168.227.104}\n"
    return text[:start].rstrip() + "\n" + kept + text[text.index("    clients:") :]


def hashed(text: str) -> str:
    """The same with `mh`: with `rr` a handshake that straddles a hand-over is reset."""
    return re.sub(
        r"^( +)scheduler: .*$",
        r"\1scheduler: mh\n\1scheduler_flags: [mh-port]",
        text,
        flags=re.MULTILINE,
    )


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """One rehearsal of the shipped lab with a change: its JSON, and the folder of its report."""
    folder = tmp_path_factory.mktemp("report")
    first, other = folder / "lab.yml", folder / "next.yml"
    first.write_text(hashed(LAB.read_text()))
    other.write_text(hashed(additive()))
    words: list[str | Path] = [
        HACTL,
        "rehearse",
        first,
        "--change",
        other,
        "--drill",
        "real-server-stop",
        "--report",
        folder,
        "--json",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    lost = document["change"] and document["change"]["services"][0]["failed_requests"]
    wanted = 1 if lost else 0
    assert done.returncode == wanted, done.stderr + json.dumps(
        {**document, "verify": None}, indent=1
    )
    yield document, folder


def lab_test(test: Any) -> Any:
    """A test that needs the lab."""
    for mark in whole:
        test = mark(test)
    return test


@lab_test
def test_every_stage_succeeds_and_nothing_is_left(rehearsed: tuple[Any, Path]) -> None:
    document, _ = rehearsed
    names = [stage["name"] for stage in document["stages"]]
    assert names == [
        "lab up",
        "deploy",
        "verify",
        "change",
        "verify again",
        "drills",
        "report",
        "lab down",
    ]
    lost = document["change"]["services"][0]["failed_requests"]
    assert {stage["name"] for stage in document["stages"] if not stage["ok"]} == (
        {"change"} if lost else set()
    )
    assert document["ok"] is (not lost)
    assert remains() == []


@lab_test
def test_both_inventories_are_verified(rehearsed: tuple[Any, Path]) -> None:
    document, _ = rehearsed
    before, after = document["verify"], document["change"]["verify"]
    assert before["ok"] and after["ok"]
    assert {"web1", "web2"} <= {check["host"] for check in before["checks"]}
    assert {"web1", "web2", "web3"} <= {check["host"] for check in after["checks"]}


@lab_test
def test_hardly_a_request_failed_while_the_change_was_deployed(rehearsed: tuple[Any, Path]) -> None:
    change = rehearsed[0]["change"]
    (service,) = change["services"]
    assert service["name"] == "web 192.168.227.10:80"
    assert service["requests"] > 200
    assert service["failed_requests"] <= STRADDLING
    assert service["survived"] == service["established"] == 200
    assert change["new"] == ["api 192.168.227.11:80"]
    assert change["gone"] == []


@lab_test
def test_the_drill_ran_against_the_changed_site_and_is_reported(
    rehearsed: tuple[Any, Path],
) -> None:
    document, folder = rehearsed
    drills = [
        (drill["name"], drill["frontend"], drill["ok"]) for drill in document["drills"]["drills"]
    ]
    assert drills == [("real-server-stop", "web", True), ("real-server-stop", "api", True)]
    assert json.loads((folder / "report.json").read_text())["inventory"] == str(folder / "next.yml")
    assert "real-server-stop" in (folder / "report.html").read_text()


@lab_test
def test_a_rehearsal_that_is_interrupted_takes_its_lab_away() -> None:
    with subprocess.Popen([HACTL, "rehearse", LAB], stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 120
        while not Path("/run/netns", f"hl-{NAME}").exists():
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert f"interrupted: removing lab {NAME}" in said
    assert "Traceback" not in said
    assert remains() == []
