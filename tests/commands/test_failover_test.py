"""`hactl failover-test` refuses wrong arguments before it changes anything."""

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


def project(**settings: Any) -> Project:
    """A project of the usual front end."""
    return Project(
        Path("inventory.yml"),
        inventory([frontend()], **settings),
        topology([frontend()], **settings),
    )


def test_the_default_is_all_drills_and_their_order_is_fixed() -> None:
    assert tuple(drill.name for drill in chosen_drills(())) == NAMES
    chosen = chosen_drills(("power-cut", "hand-over"))
    assert [drill.name for drill in chosen] == ["hand-over", "power-cut"]


def test_an_unknown_drill_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError) as raised:
        chosen_drills(("powercut",))
    assert raised.value.exit_code == Exit.USAGE
    assert "there is no drill powercut" in str(raised.value)
    assert all(name in str(raised.value) for name in NAMES)


def test_the_client_is_a_host_without_another_function() -> None:
    assert client_of(project(hosts=CLIENT, groups=CLIENTS), from_controller=False) == "client"
    assert "client" not in site_hosts(project(hosts=CLIENT, groups=CLIENTS))


def test_without_a_client_the_message_offers_the_controller_and_warns() -> None:
    with pytest.raises(UsageError) as raised:
        client_of(project(), from_controller=False)
    assert "--from-controller" in str(raised.value)
    assert "router" in str(raised.value)
    assert client_of(project(), from_controller=True) == ""


def test_a_director_cannot_be_the_client() -> None:
    """A director does not balance its own connections; 127.0.0.1 is an address of this machine."""
    hosts = {**HOSTS, "lvs2": {"ansible_host": "127.0.0.1"}}
    with pytest.raises(UsageError, match="this machine is lvs2"):
        client_of(project(hosts=hosts), from_controller=True)


def test_real_hosts_are_not_broken_without_a_confirmation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Standard input is no terminal here, so nobody can confirm."""
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
