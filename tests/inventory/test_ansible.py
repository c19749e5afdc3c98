"""hactl's reading of the inventories in `cases/`, compared with Ansible's.

Slow by nature: every case starts `ansible-inventory`, which takes about half a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provision.inventory.hosts import Inventory
from provision.inventory.reader import read_inventory

CASES = sorted(path for path in (Path(__file__).parent / "cases").glob("*/hosts.*"))
BIN = Path(sys.executable).parent
PASSWORD = Path(__file__).parent / "cases" / "vaulted" / "password"


def ansible(program: str, *arguments: str, home: Path) -> str:
    """The output of an Ansible program in an empty folder, since it would read `group_vars/`
    there."""
    (home / "ansible.cfg").touch()
    environ = {
        "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_DEPRECATION_WARNINGS": "False",
        "ANSIBLE_VAULT_PASSWORD_FILE": str(PASSWORD),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{BIN}:/usr/bin:/bin",
    }
    command = [str(BIN / program), *arguments]
    process = subprocess.run(
        command, cwd=home, env=environ, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def read(path: Path, monkeypatch: pytest.MonkeyPatch) -> Inventory:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(PASSWORD))
    return read_inventory(path)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def in_plain(value: Any) -> Any:
    """Ansible's JSON, with the ciphertexts of `!vault` values decrypted by Ansible."""
    if isinstance(value, dict) and "__ansible_vault" in value:
        from ansible.parsing.vault import VaultLib, VaultSecret

        vault = VaultLib([("default", VaultSecret(PASSWORD.read_bytes().strip()))])
        return vault.decrypt(value["__ansible_vault"].encode()).decode()
    if isinstance(value, dict):
        return {key: in_plain(part) for key, part in value.items()}
    return [in_plain(part) for part in value] if isinstance(value, list) else value


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 25


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.parent.name)
def test_list_equals_ansibles(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = json.loads(ansible("ansible-inventory", "-i", str(path), "--list", home=tmp_path))
    ours = read(path, monkeypatch).to_ansible(reveal=True)
    assert as_json(ours) == in_plain(theirs)


@pytest.mark.parametrize("host", ["h", "bare"])
def test_host_equals_ansibles(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parent / "cases" / "precedence" / "hosts.yml"
    theirs = json.loads(
        ansible("ansible-inventory", "-i", str(path), "--host", host, home=tmp_path)
    )
    assert as_json(read(path, monkeypatch).host_to_ansible(host)) == theirs


def test_our_list_serves_ansible_as_a_dynamic_inventory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parent / "cases" / "many_groups" / "hosts.yml"
    ours = as_json(read(path, monkeypatch).to_ansible())
    script = tmp_path / "dynamic"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(ours)}\nEND\n")
    script.chmod(0o755)
    assert (
        json.loads(ansible("ansible-inventory", "-i", str(script), "--list", home=tmp_path)) == ours
    )


def test_secrets_are_masked_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = read(Path(__file__).parent / "cases" / "vaulted" / "hosts.yml", monkeypatch)
    shown = inventory.host_to_ansible("h")
    assert shown == {
        "open": "text",
        "inline": "********",
        "with_id": "********",
        "list": ["********"],
        "whole": "********",
        "numbers": ["********", "********"],
        "nested": {"password": "********"},
    }
    revealed = inventory.host_to_ansible("h", reveal=True)
    assert (revealed["inline"], revealed["nested"]) == ("hunter2", {"password": "s3cret"})
