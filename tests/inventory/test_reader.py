"""Whole inventories: their mistakes and messages, and the speed. `test_ansible` checks the
values."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from provision.core.errors import Exit, InputError
from provision.inventory.hosts import Inventory
from provision.inventory.reader import read_inventory


def write(folder: Path, text: str, name: str = "hosts.yml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Inventory:
    return read_inventory(write(folder, text))


def problems(folder: Path, text: str) -> list[str]:
    """The problems of an inventory, with paths relative to its folder."""
    with pytest.raises(InputError) as caught:
        read(folder, text)
    assert caught.value.exit_code == Exit.INPUT
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


MISTAKES = [
    ("", "hosts.yml:1:1: inventory-empty: the file holds no inventory; write at least `all:`"),
    (
        "- web1\n",
        "hosts.yml:1:1: inventory-shape: an inventory is a mapping of groups, this is a list; "
        "start with `all:` and put `hosts:` below it",
    ),
    (
        "plugin: aws_ec2\nregions: [x]\n",
        "hosts.yml:1:1: inventory-plugin: this configures an inventory plugin; only Ansible can "
        "run it; run `ansible-inventory --list --yaml --export` on it",
    ),
    (
        "all:\n  host: {a: }\n",
        "hosts.yml:2:3: inventory-unknown-field: unknown field 'host' in group 'all'; the nearest "
        "known one is `hosts`; a group of this name goes below `children:`, a variable below "
        "`vars:`",
    ),
    (
        "all:\n  ansible_user: root\n",
        "hosts.yml:2:3: inventory-unknown-field: unknown field 'ansible_user' in group 'all'; use "
        "one of hosts, children, vars; a group of this name goes below `children:`, a variable "
        "below `vars:`",
    ),
    (
        "all:\n  hosts:\n    - web1\n",
        "hosts.yml:3:5: inventory-shape: `hosts` of group 'all' is a mapping, here it is a list; "
        "write a line `NAME:` for every entry, without a dash",
    ),
    (
        "all: {children: 5}\n",
        "hosts.yml:1:17: inventory-shape: `children` of group 'all' is a mapping, here it is a "
        "number; write `NAME:` lines",
    ),
    (
        "all: {children: {web: [w1]}}\n",
        "hosts.yml:1:23: inventory-shape: group 'web' is a mapping of hosts, children and vars; "
        "here it is a list; write `web:`, below it `hosts:`, below that a line `NAME:` for every "
        "host",
    ),
    (
        "all: {hosts: {a: text}}\n",
        "hosts.yml:1:18: inventory-vars: variables are a mapping of names to values, this is a "
        "string; write `name: value` lines",
    ),
    (
        "all: {vars: [a]}\n",
        "hosts.yml:1:13: inventory-vars: variables are a mapping of names to values, this is a "
        "list; write `name: value` lines",
    ),
    (
        "all: {vars: {80: http}}\n",
        "hosts.yml:1:14: inventory-variable-name: 80 is a number and cannot name a variable; "
        "rename it: a letter first, then letters, digits and underscores",
    ),
    (
        "1: {hosts: {a: }}\n",
        "hosts.yml:1:1: inventory-group-name: 1 is a number and cannot name a group; quote it",
    ),
    (
        "all: {children: {'': }}\n",
        "hosts.yml:1:18: inventory-group-name: '' is empty and cannot name a group; give it a name",
    ),
    (
        "all: {hosts: {10: }}\n",
        "hosts.yml:1:15: inventory-host-pattern: 10 is a number and cannot name a host; quote it",
    ),
    (
        "all: {hosts: {'web[3:1]': }}\n",
        "hosts.yml:1:15: inventory-host-pattern: host pattern 'web[3:1]': [3:1] is empty: its "
        "begin is beyond its end; write ranges as web[1:3], web[01:10] or web[a:c]",
    ),
    (
        "a: {children: {b: {children: {c: {children: {a: }}}}}}\n",
        "hosts.yml:1:16: inventory-cycle: groups contain each other: a > b > c > a; take one of "
        "them out of the other's children",
    ),
    (
        "a: {children: {a: }}\n",
        "hosts.yml:1:16: inventory-cycle: groups contain each other: a > a; take one of them out "
        "of the other's children",
    ),
    (
        "a: {children: {all: {hosts: {x: }}}}\n",
        "hosts.yml:1:16: inventory-cycle: `all` cannot be a child of group 'a': it holds every "
        "group; move its contents to the top level of the file",
    ),
    (
        "a: {children: {ungrouped: }}\n",
        "hosts.yml:1:16: inventory-ungrouped: `ungrouped` cannot be a child of group 'a'; it "
        "holds the hosts that are in no group, and Ansible drops them here; put its hosts into "
        "another group",
    ),
    (
        "ungrouped: {children: {a: }}\n",
        "hosts.yml:1:24: inventory-ungrouped: `ungrouped` cannot have children: it holds the "
        "hosts that are in no group; move them to the children of `all`",
    ),
    (
        "web: {hosts: {db: }}\ndb: {hosts: {x: }}\n",
        "hosts.yml:1:15: inventory-name-clash: 'db' names a host here and a group in line 2; "
        "rename one of them",
    ),
    (
        "a: {vars: {ansible_group_priority: high}}\n",
        "hosts.yml:1:36: inventory-priority: ansible_group_priority of group 'a' must be a whole "
        "number; write a number, 1 is the default",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_has_a_place_and_a_remedy(text: str, message: str, tmp_path: Path) -> None:
    assert problems(tmp_path, text) == [message]


def test_the_mistakes_of_all_files_are_reported_together(tmp_path: Path) -> None:
    write(tmp_path, "a: !env HACTL_UNSET\n", "group_vars/all.yml")
    write(tmp_path, "- a list\n", "group_vars/web/x.yml")
    write(tmp_path, "a: {b: 1, b: 2}\n", "host_vars/w1.yml")
    messages = problems(
        tmp_path, "all:\n  hsts: {x: }\n  children: {web: {hosts: {w1: , 'w[': }}}\n"
    )
    assert [problem.split(": ")[:2] for problem in messages] == [
        ["hosts.yml:2:3", "inventory-unknown-field"],
        ["hosts.yml:3:34", "inventory-host-pattern"],
        ["group_vars/all.yml:1:4", "env-missing"],
        ["group_vars/web/x.yml:1:1", "inventory-vars"],
        ["host_vars/w1.yml:1:11", "yaml-duplicate-key"],
    ]


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    for name, rule in (("none.yml", "file-missing"), (".", "file-directory")):
        with pytest.raises(InputError, match=rule):
            read_inventory(tmp_path / name)


def test_a_file_in_place_of_a_variables_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a: 1\n", "group_vars")
    assert problems(tmp_path, "all: {hosts: {a: }}\n") == [
        "group_vars:1:1: inventory-vars-folder: group_vars is not a directory; move it to "
        "group_vars/all.yml, or rename it"
    ]


def test_a_vaulted_file_without_a_password_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
    write(tmp_path, "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "group_vars/all.yml")
    (problem,) = problems(tmp_path, "all: {hosts: {a: }}\n")
    assert problem.startswith(
        "group_vars/all.yml:1:1: vault-password: this value is encrypted and there is no vault "
        "password"
    )


def test_a_wrong_password_is_reported_at_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Path(__file__).parent / "cases" / "vaulted" / "hosts.yml"
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(write(tmp_path, "wrong\n", "password")))
    with pytest.raises(InputError) as caught:
        read_inventory(case)
    places = [(problem.position.line, problem.rule) for problem in caught.value.problems]
    assert places == [
        (5, "vault-decrypt"),
        (13, "vault-decrypt"),
        (22, "vault-decrypt"),
        (1, "vault-decrypt"),
    ]


def test_a_value_from_the_environment_is_a_secret_of_its_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HACTL_VRRP_PASS", "hunter2")
    inventory = read(
        tmp_path, "all: {hosts: {a: {vrrp: {auth_pass: !env HACTL_VRRP_PASS, id: 10}}}}\n"
    )
    assert inventory.host_to_ansible("a") == {"vrrp": {"auth_pass": "********", "id": 10}}
    assert inventory.hosts["a"].var("vrrp") == {"auth_pass": "hunter2", "id": 10}


def test_hosts_groups_and_variables_know_their_place(tmp_path: Path) -> None:
    write(tmp_path, "port: 80\n", "group_vars/web.yml")
    inventory = read(
        tmp_path, "all:\n  children:\n    web:\n      hosts:\n        web[1:2]: {weight: 5}\n"
    )
    host = inventory.hosts["web2"]
    assert str(host.position) == f"{tmp_path}/hosts.yml:5:9"
    assert str(host.node("weight").position) == f"{tmp_path}/hosts.yml:5:28"
    assert str(host.node("port").position) == f"{tmp_path}/group_vars/web.yml:1:7"
    assert host.node("none").position == host.position
    assert str(inventory.groups["web"].position) == f"{tmp_path}/hosts.yml:3:5"


def large(hosts: int) -> str:
    """An inventory of many hosts with variables, in groups of twenty."""
    lines = ["all:", "  vars: {ansible_user: root, dns: [10.0.0.1, 10.0.0.2]}", "  children:"]
    for index in range(hosts):
        if index % 20 == 0:
            lines += [
                f"    rack{index // 20}:",
                "      vars: {rack: yes, gateway: 10.0.0.254}",
                "      hosts:",
            ]
        lines += [
            f"        host{index}:",
            f"          ansible_host: 10.0.{index // 250}.{index % 250}",
            "          weight: 5",
        ]
        lines += ["          labels: {zone: a, tier: web}", "          ports: [80, 443]"]
    return "\n".join(lines) + "\n"


def test_a_thousand_hosts_take_less_than_a_second(tmp_path: Path) -> None:
    path = write(tmp_path, large(1000))
    before = time.process_time()
    inventory = read_inventory(path)
    assert time.process_time() - before < 1
    assert len(inventory.hosts) == 1000


def test_an_ordinary_inventory_takes_a_few_milliseconds() -> None:
    path = Path(__file__).parent / "cases" / "lab" / "hosts.yml"
    best = 1.0
    for _ in range(5):
        before = time.perf_counter()
        read_inventory(path)
        best = min(best, time.perf_counter() - before)
    assert best < 0.015
