"""hactl from a wheel, in a clean environment and another working folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import REPOSITORY

EXAMPLE = REPOSITORY / "docs" / "examples" / "motd-role"


@pytest.fixture(scope="module")
def hactl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of an environment that has only the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, REPOSITORY], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=120
    )
    subprocess.run([*pip, "--python", folder / "venv", "install", wheel], check=True, timeout=300)
    return folder / "venv" / "bin" / "hactl"


def run(hactl: Path, *words: str, cwd: Path) -> str:
    """The output of the command, run in `cwd` without the checkout in its environment."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [hactl, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done
    return done.stdout


def test_the_shipped_example_and_roles_are_found(hactl: Path, tmp_path: Path) -> None:
    document = json.loads(run(hactl, "inventory", "--list", "inventories/lab.yml", cwd=tmp_path))
    assert document["directors"]["hosts"] == ["lvs1", "lvs2"]
    rendered = run(hactl, "render", "inventories/lab.yml", cwd=tmp_path)
    assert "# lvs1: file /etc/keepalived/keepalived.conf" in rendered
    assert "virtual_server 192.168.227.10 80 {" in rendered
    assert "# web2: address 192.168.227.10/32" in rendered


def test_every_shipped_example_renders(hactl: Path, tmp_path: Path) -> None:
    shipped = next(hactl.parent.parent.glob("lib/python*/site-packages/provision/data/inventories"))
    names = sorted(path.name for path in shipped.glob("*.yml"))
    assert names == sorted(path.name for path in (REPOSITORY / "inventories").glob("*.yml"))
    for name in names:
        assert "keepalived.conf" in run(hactl, "render", str(shipped / name), cwd=tmp_path)


def test_a_starter_inventory_is_written_read_and_rendered(hactl: Path, tmp_path: Path) -> None:
    hosts = [f"--director={host}" for host in ("a=192.0.2.1", "b=192.0.2.2")]
    hosts.append("--real-server=c=192.0.2.3")
    run(hactl, "init", "mine.yml", "--vip", "192.0.2.10", *hosts, cwd=tmp_path)
    assert "192.0.2.10/32" in run(hactl, "render", "mine.yml", "--host", "c", cwd=tmp_path)


def test_a_role_of_the_operator_beside_the_inventory_is_found(hactl: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()
    rendered = run(
        hactl, "render", "../site/inventory.yml", "--host", "web1", cwd=tmp_path / "elsewhere"
    )
    assert "# web1: file /etc/motd" in rendered
    assert "web1 (192.0.2.103) belongs to the web team." in rendered
