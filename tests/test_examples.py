"""An installed hactl renders an operator's own role beside the inventory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import REPOSITORY

EXAMPLE = REPOSITORY / "docs" / "examples" / "motd-role"

PRINT_MOTD = """
import sys
from pathlib import Path
import provision
from provision.core.facts import Facts
from provision.inventory.reader import read_inventory
from provision.inventory.topology import build
from provision.desired.render import render_host

assert provision.__file__.startswith(sys.argv[1]), provision.__file__
inventory = read_inventory(Path(sys.argv[2]))
for host in ("web1", "web2"):
    desired = render_host(build(inventory), inventory, host, Facts())
    assert desired.get("unit", "nginx.service"), "a shipped role is found too"
    print(desired.get("file", "/etc/motd").content.decode())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as a wheel installs it."""
    folder = tmp_path_factory.mktemp("site-packages")
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in wheel["packages"]:
        shutil.copytree(
            REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    for source, target in wheel["force-include"].items():
        shutil.copytree(REPOSITORY / source, folder / target)
    return folder


def test_the_example_role_is_rendered_by_an_installed_hactl_from_another_folder(
    installed: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(EXAMPLE, site)
    result = subprocess.run(
        [sys.executable, "-c", PRINT_MOTD, str(installed), "site/inventory.yml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.stderr == ""
    assert result.stdout == (
        "web1 (192.0.2.103) belongs to the web team.\n"
        "It serves front end web.\n"
        "\n"
        "web2 (192.0.2.104) belongs to the web team.\n"
        "It serves front end web.\n"
        "Disk replacement on Friday.\n"
        "\n"
    )


def test_the_example_role_without_its_required_variable_says_what_to_set(
    installed: Path, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "site")
    inventory = tmp_path / "site" / "inventory.yml"
    inventory.write_text(
        inventory.read_text().replace("motd_owner: the web team", "{}").replace("        {}\n", "")
    )
    result = subprocess.run(
        [sys.executable, "-c", PRINT_MOTD, str(installed), "site/inventory.yml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "missing-variable: host `web1` has role `motd` but no `motd_owner`" in result.stderr
