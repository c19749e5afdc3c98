"""The lock: one version of each package with its hashes, within the ranges; no index's address."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
RUN = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["build"]]
LOCKS = {
    "requirements.txt": RUN,
    "requirements-dev.txt": RUN + PROJECT["project"]["optional-dependencies"]["dev"],
}


def locked(name: str) -> dict[str, tuple[str, int]]:
    """The version and the number of hashes of each package in a lock."""
    text = "".join(
        line
        for line in (REPOSITORY / name).read_text().splitlines(keepends=True)
        if not line.startswith("#")
    )
    entries = [
        Requirement(entry.partition("--hash")[0]) for entry in text.replace("\\\n", "").splitlines()
    ]
    counts = [entry.count("--hash=sha256:") for entry in text.replace("\\\n", "").splitlines()]
    versions = [re.sub("^==", "", str(entry.specifier)) for entry in entries]
    names = [canonicalize_name(entry.name) for entry in entries]
    assert len(set(names)) == len(names), "one version for all Pythons"
    return dict(zip(names, zip(versions, counts, strict=True), strict=True))


@pytest.mark.parametrize(("name", "ranges"), LOCKS.items())
def test_every_range_holds_its_locked_version(name: str, ranges: list[str]) -> None:
    lock = locked(name)
    for requirement in map(Requirement, ranges):
        version, _ = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), (
            f"{requirement}: {name} has {version}; run scripts/update"
        )


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_hashes_and_no_address(name: str) -> None:
    assert all(count for _, count in locked(name).values())
    assert not re.search(r"://|^-|\s--(?!hash=)", (REPOSITORY / name).read_text(), re.MULTILINE)


def test_the_demo_has_the_versions_that_the_tests_run_with() -> None:
    assert locked("requirements.txt").items() <= locked("requirements-dev.txt").items()


def test_every_range_has_an_upper_bound_or_says_why_not() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    for requirement in map(Requirement, LOCKS["requirements-dev.txt"]):
        bounds = [each for each in requirement.specifier if each.operator == "<"]
        reason = re.search(rf'No upper bound: [^"]*"{re.escape(requirement.name)}>', text)
        assert bounds or reason, f"{requirement}: no upper bound, and no comment above it says why"
