"""Where a host is, as its variables and ssh_config say: the same place that ssh(1) would go to."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provision.core.errors import InputError, Position
from provision.hosts.options import OptionError, parse_args
from provision.hosts.target import Target
from provision.inventory.hosts import Host
from provision.inventory.source import Node

CONFIG = """
Include {folder}/more*.conf
Host web1 web2
    HostName 192.168.227.103
    Port 2200
    User deploy
    IdentityFile /keys/one
    IdentityFile /keys/two
    IdentitiesOnly yes
    StrictHostKeyChecking accept-new
Host jumped
    ProxyJump ops@gate:2222,inner
Host gate
    HostName gate.example.org
    Port 99
Host inner
    ProxyCommand nc -x %r@proxy %h %p 100%%
Host *
    UserKnownHostsFile /known/one /known/two
    ConnectTimeout 3
"""
MORE = "Host included\n    User from-include\n"


def host(**variables: Any) -> Host:
    place = Position("lab.yml", 7, 5)
    nodes = {name: Node(value, Position("lab.yml", 9, 11)) for name, value in variables.items()}
    return Host("web1", place, nodes, ())


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "more.conf").write_text(MORE)
    path = tmp_path / "ssh_config"
    path.write_text(CONFIG.format(folder=tmp_path))
    return path


def ssh_says(config: Path, *argv: str) -> dict[str, list[str]]:
    """What OpenSSH makes of the same options."""
    shown = subprocess.run(
        ["ssh", "-G", "-F", str(config), *argv], capture_output=True, text=True, check=True
    )
    found: dict[str, list[str]] = {}
    for line in shown.stdout.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        "web1",
        "web2",
        "included",
        "elsewhere",
        "-p 2022 -l kim web1",
        "-o Port=2022 -oUser=kim -o 'IdentityFile /keys/mine' web1",
        "-i {folder}/mine -o StrictHostKeyChecking=yes web1",
        "-o UserKnownHostsFile=/mine -o ConnectTimeout=8 -o HostName=10.0.0.1 web1",
        "inner",
    ],
)
def test_the_same_as_ssh(config: Path, arguments: str) -> None:
    (config.parent / "mine").touch()  # ssh(1) leaves out a file of -i that is not there
    *words, name = shlex.split(arguments.format(folder=config.parent))
    target = Target.of(
        host(ansible_host=name, ansible_ssh_common_args=f"-F {config} {shlex.join(words)}")
    )
    theirs = ssh_says(config, *words, name)
    assert target.address == theirs["hostname"][0]
    assert str(target.port) == theirs["port"][0]
    assert target.user == theirs["user"][0]
    if target.key_files:
        assert list(target.key_files) == theirs["identityfile"]
    assert (
        list(target.known_hosts)[: len(theirs["userknownhostsfile"][0].split())]
        == theirs["userknownhostsfile"][0].split()
    )
    assert target.strict == (theirs["stricthostkeychecking"][0] not in ("accept-new", "false"))
    assert f"{target.timeout:.0f}" == theirs["connecttimeout"][0]
    assert target.identities_only == (theirs["identitiesonly"][0] == "yes")
    if target.proxy_command:  # ssh -G shows it with its tokens unfilled
        assert target.proxy_command == f"nc -x {target.user}@proxy inner 22 100%"


def test_jump_hosts_have_sections_of_their_own(config: Path) -> None:
    target = Target.of(host(ansible_host="jumped", ansible_ssh_common_args=f"-F {config}"))
    first = target.jumps[0]
    assert (first.user, first.address, first.port) == ("ops", "gate.example.org", 2222)
    assert target.jumps[1].address == "inner" and target.jumps[1].proxy_command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gate", ("gate", 22)),
        ("kim@[fd00::1]:2200", ("fd00::1", 2200)),
        ("ssh://kim@gate:2200", ("gate", 2200)),
        ("fd00::1", ("fd00::1", 22)),
    ],
)
def test_ways_to_write_a_jump_host(text: str, expected: tuple[str, int]) -> None:
    jumps = Target.of(
        host(ansible_host="10.0.0.1", ansible_ssh_common_args=f"-F none -J '{text}'")
    ).jumps
    assert (jumps[0].address, jumps[0].port) == expected


def test_the_variables_of_ansible() -> None:
    target = Target.of(
        host(
            ansible_host="10.0.0.1",
            ansible_port=2022,
            ansible_user="kim",
            ansible_become=True,
            ansible_become_password="secret",  # noqa: S106
            ansible_ssh_private_key_file="~/key",
            ansible_ssh_common_args="-F none",
            ansible_ssh_extra_args="-o ControlMaster=auto -o ControlPersist=60s -C",
        )
    )
    assert (target.address, target.port, target.user) == ("10.0.0.1", 2022, "kim")
    assert target.become and target.become_password == "secret"  # noqa: S105
    assert target.key_files == (str(Path("~/key").expanduser()),)
    assert "secret" not in repr(target)


def test_variables_win_over_arguments_and_those_over_the_file(config: Path) -> None:
    args = f"-F {config} -o Port=1 -o User=args"
    target = Target.of(host(ansible_port=5, ansible_ssh_common_args=args))
    assert (target.port, target.user, target.address) == (5, "args", "192.168.227.103")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ansible_ssh_common_args": "-L 80:x:80"}, "'-L' of ssh is not supported"),
        (
            {"ansible_ssh_common_args": "-o PermitTunnel=yes"},
            "'PermitTunnel' of ssh_config is not supported",
        ),
        ({"ansible_ssh_common_args": "-o 'Port"}, "No closing quotation"),
        ({"ansible_ssh_common_args": "-o Port="}, "'Port' of ssh_config needs a value"),
        ({"ansible_ssh_common_args": "-p"}, "'-p' of ssh needs a value"),
        ({"ansible_ssh_common_args": "-p 70000"}, "Port must be a number from 1 to 65535"),
        ({"ansible_ssh_common_args": "-F /no/such"}, "/no/such does not exist"),
        ({"ansible_ssh_extra_args": "host"}, "'host' is not an option of ssh"),
        ({"ansible_connection": "docker"}, "docker is not supported"),
        ({"ansible_become_method": "su"}, "su is not supported"),
        ({"ansible_become_user": "www"}, "www is not supported"),
    ],
)
def test_what_cannot_be_done_is_said_at_its_place(variables: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as failure:
        Target.of(host(**variables))
    problem = failure.value.problems[0]
    assert words in problem.what and problem.rule == "ssh-args" and problem.why and problem.fix
    expected = Position("lab.yml", 9, 11)
    assert problem.position == expected


def test_a_file_that_is_no_ssh_config(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    path.write_text("=\n")
    with pytest.raises(InputError, match="cannot be read"):
        Target.of(host(ansible_ssh_common_args=f"-F {path}"))


def test_the_first_of_two_equal_options_counts() -> None:
    assert parse_args("-p 1 -p 2 -o Port=3") == {"port": "1"}
    with pytest.raises(OptionError):
        parse_args("-ZZ")
