"""What `hactl failover-test` refuses before it touches anything, in the operator's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provision.commands.failover_test import chosen_drills, client_of, failover_test, site_hosts
from provision.core.errors import Exit, UsageError
from provision.deploy.project import Project
from provision.drills.registry import NAMES
from tests.inventory.building import GROUPS, HOSTS, frontend, inventory, topology

CLIENT = {**HOSTS, "client": {"ansible_host": "192.168.227.100"}}
CLIENTS = {**GROUPS, "clients": ("client",)}


def project(**rest: Any) -> Project:
    """A project of the usual front end."""
    return Project(
        Path("inventory.yml"), inventory([frontend()], **rest), topology([frontend()], **rest)
    )


def test_all_drills_unless_some_are_named_and_always_in_their_order() -> None:
    assert tuple(drill.name for drill in chosen_drills(())) == NAMES
    chosen = chosen_drills(("power-cut", "hand-over"))
    assert [drill.name for drill in chosen] == ["hand-over", "power-cut"]


def test_an_unknown_drill_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError) as raised:
        chosen_drills(("powercut",))
    assert raised.value.exit_code == Exit.USAGE
    assert "there is no drill powercut" in str(raised.value)
    assert all(name in str(raised.value) for name in NAMES)


def test_the_client_is_a_host_with_no_other_part() -> None:
    assert client_of(project(hosts=CLIENT, groups=CLIENTS), from_controller=False) == "client"
    assert "client" not in site_hosts(project(hosts=CLIENT, groups=CLIENTS))


def test_without_a_client_the_controller_is_offered_and_why_it_is_worse() -> None:
    with pytest.raises(UsageError) as raised:
        client_of(project(), from_controller=False)
    assert "--from-controller" in str(raised.value)
    assert "router" in str(raised.value)
    assert client_of(project(), from_controller=True) == ""


def test_a_director_cannot_be_the_client() -> None:
    """A director does not balance connections of its own; 127.0.0.1 is surely an address of this machine."""
    ours = {**HOSTS, "lvs2": {"ansible_host": "127.0.0.1"}}
    with pytest.raises(UsageError, match="this machine is lvs2"):
        client_of(project(hosts=ours), from_controller=True)


def test_real_hosts_are_not_broken_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Input is no terminal here, so that nobody can be asked."""
    site = project(hosts=CLIENT, groups=CLIENTS, ansible_user="root")
    with pytest.raises(UsageError, match="no terminal to ask on; nothing was done"):
        failover_test(
            site,
            drills=("hand-over",),
            report=None,
            yes=False,
            from_controller=False,
            json=False,
            lab=False,
        )
    assert capsys.readouterr().out == ""
