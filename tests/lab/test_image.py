"""The image's recipe."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from provision.lab import image


def test_a_change_of_the_recipe_gives_another_image(tmp_path: Path) -> None:
    copy = tmp_path / "recipe"
    shutil.copytree(image.recipe(), copy)
    before = image.digest(copy)
    assert before == image.digest(image.recipe())
    (copy / "init").write_text((copy / "init").read_text() + "#\n")
    assert image.digest(copy) != before


def test_the_packages_are_part_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = image.digest(image.recipe())
    monkeypatch.setattr(image, "DEPLOY_PACKAGES", (*image.DEPLOY_PACKAGES, "zookeeper"))
    assert image.digest(image.recipe()) != before


def test_the_image_has_no_installed_packages_of_a_deploy() -> None:
    assert not set(image.DEPLOY_PACKAGES) & set(image.BASE_PACKAGES)
    assert set(image.DIRECTOR_PACKAGES) <= set(image.DEPLOY_PACKAGES)


@pytest.mark.parametrize("name", ["customize.sh", "init", "files/usr/local/sbin/lab-agent"])
def test_the_scripts_of_the_recipe_are_clean_shell(name: str) -> None:
    done = subprocess.run(
        ["shellcheck", str(image.recipe() / name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
