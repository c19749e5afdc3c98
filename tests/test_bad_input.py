"""Mistakes in an operator's files: a readable error with a place and a remedy, and exit code 3.

Every case edits a line of a good inventory, so that only this edit can be the mistake. `plan` must
connect to no host: nothing answers on the documentation addresses (RFC 5737), so it would take
long.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import REPOSITORY

HACTL = Path(sys.executable).parent / "hactl"

GOOD = """\
all:
  vars:
    ansible_user: root
    frontends:
      - name: web
        vips: [192.0.2.10]
        directors: directors
        vrrp: {virtual_router_id: 10}
        services:
          - port: 80
            protocol: tcp
            scheduler: rr
            real_servers: web
            check: {type: tcp, interval: 2}
  children:
    directors: {hosts: {lvs1: {ansible_host: 192.0.2.11}, lvs2: {ansible_host: 192.0.2.12}}}
    web: {hosts: {web1: {ansible_host: 192.0.2.21}, web2: {ansible_host: 192.0.2.22}}}
    clients: {hosts: {client: {ansible_host: 192.0.2.31}}}
"""

#: a text of the good inventory, its replacement, the problem's line, its rule, a word in it
CASES = {
    "yaml-syntax": ("vips: [192.0.2.10]", "vips: [192.0.2.10", 7, "yaml-syntax", ""),
    "tab": ("        vips:", "\t\tvips:", 6, "yaml-tab", "tab"),
    "duplicate-key": (
        "            protocol: tcp",
        "            port: 81",
        11,
        "yaml-duplicate-key",
        "port",
    ),
    "unknown-field": (
        "            protocol: tcp",
        "            protokol: tcp",
        11,
        "unknown-field",
        "protocol",
    ),
    "wrong-type": ("port: 80", "port: eighty", 10, "wrong-type", "whole number"),
    "vip-not-an-address": ("[192.0.2.10]", "[192.0.2.999]", 6, "vip-not-an-address", "192.0.2.999"),
    "unknown-group": ("real_servers: web", "real_servers: wbe", 13, "unknown-group", "web"),
    "empty-group": (
        "web: {hosts: {web1: {ansible_host: 192.0.2.21}, web2: {ansible_host: 192.0.2.22}}}",
        "web: {hosts: {}}",
        13,
        "empty-group",
        "web",
    ),
    "host-in-no-front-end": (
        "clients: {hosts: {client",
        "others: {hosts: {client",
        18,
        "host-in-no-front-end",
        "client",
    ),
    "missing-env": (
        "virtual_router_id: 10",
        "virtual_router_id: 10, version: 2, auth_pass: !env HACTL_NOT_SET",
        8,
        "env-missing",
        "HACTL_NOT_SET",
    ),
}


def plan(path: Path) -> subprocess.CompletedProcess[str]:
    """`hactl plan` as a user runs it."""
    return subprocess.run(
        [HACTL, "plan", path],
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("case", CASES)
def test_one_readable_error_with_its_place_and_a_remedy(case: str, tmp_path: Path) -> None:
    old, new, line, rule, word = CASES[case]
    assert GOOD.count(old) >= 1
    path = tmp_path / "inventory.yml"
    path.write_text(GOOD.replace(old, new, 1))
    process = plan(path)
    assert process.returncode == 3, process.stderr
    assert process.stdout == ""
    assert re.search(
        rf"^{re.escape(str(path))}:{line}:\d+: {rule}: .*{re.escape(word)}",
        process.stderr,
        re.MULTILINE,
    ), process.stderr
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr
    assert ";" in process.stderr, "a remedy follows the mistake"


def test_the_good_inventory_is_good(tmp_path: Path) -> None:
    """The unchanged inventory has no problem, so a case's problem comes from its edit."""
    path = tmp_path / "inventory.yml"
    path.write_text(GOOD)
    process = subprocess.run(
        [HACTL, "render", path], text=True, capture_output=True, timeout=60, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "virtual_router_id 10" in process.stdout


def test_an_undefined_variable_in_a_template_names_the_template_and_its_line(
    tmp_path: Path,
) -> None:
    shutil.copytree(REPOSITORY / "roles" / "web", tmp_path / "roles" / "broken")
    template = next((tmp_path / "roles" / "broken" / "templates").glob("*.j2"))
    template.write_text("first line\n{{ no_such_variable }}\n")
    path = tmp_path / "inventory.yml"
    path.write_text(
        GOOD.replace("web1: {ansible_host", "web1: {hactl_roles: [broken], ansible_host")
    )
    process = subprocess.run(
        [HACTL, "render", path], text=True, capture_output=True, timeout=60, check=False
    )
    assert process.returncode == 3, process.stderr
    assert re.search(
        rf"^{re.escape(str(template))}:2:\d+: template-undefined: .*no_such_variable",
        process.stderr,
    )


def test_a_vaulted_value_without_a_password_is_an_error_at_its_place(tmp_path: Path) -> None:
    vaulted = "!vault |\n          $ANSIBLE_VAULT;1.1;AES256\n          3031\n"
    path = tmp_path / "inventory.yml"
    path.write_text(
        GOOD.replace("ansible_user: root\n", f"ansible_user: root\n    secret: {vaulted}", 1)
    )
    process = plan(path)
    assert process.returncode == 3
    assert re.search(rf"^{re.escape(str(path))}:4:\d+: vault-[a-z-]+: ", process.stderr), (
        process.stderr
    )
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in process.stderr
