"""`hactl init`: hactl accepts the starter inventory, and a bad answer never writes a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.commands.init import Answers, compose, write
from provision.core.errors import UsageError
from provision.deploy.project import load

GOOD = Answers(
    vip="192.0.2.10",
    directors=("lvs1=192.0.2.11", "lvs2=192.0.2.12"),
    real_servers=("web1=192.0.2.21",),
    client="probe=192.0.2.30",
    port=8080,
)


def test_the_starter_describes_the_front_end_of_the_answers(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    write(path, GOOD)
    project = load(path)
    assert project.managed() == ("lvs1", "lvs2", "web1")
    assert project.topology.stages() == (("web1",), ("lvs2",), ("lvs1",))


def test_an_ipv6_front_end_is_quoted_so_that_yaml_reads_text(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    write(path, Answers("fd00::10", ("a=fd00::1", "b=fd00::2"), ("w=fd00::3",), "", 80))
    assert load(path).inventory.hosts["a"].var("ansible_host") == "fd00::1"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            Answers("no-address", GOOD.directors, GOOD.real_servers),
            "--vip: 'no-address' is not an IP address",
        ),
        (Answers(GOOD.vip, (), GOOD.real_servers), "--director is missing"),
        (Answers(GOOD.vip, GOOD.directors, ("web1",)), "--real-server: '' is not an IP address"),
        (
            Answers(GOOD.vip, ("a b=192.0.2.1",), GOOD.real_servers),
            "--director 'a b=192.0.2.1' is not NAME=ADDRESS",
        ),
        (
            Answers(GOOD.vip, GOOD.directors, GOOD.real_servers, port=0),
            "--port 0 is not a TCP port",
        ),
    ],
)
def test_a_bad_answer_is_named(answers: Answers, message: str) -> None:
    with pytest.raises(UsageError, match=None) as caught:
        compose(answers)
    assert message in str(caught.value)


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write(path, GOOD)
    assert path.read_text() == "mine"
