"""Kafka's jars: their digests must be the known ones, and no partial download stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.core.errors import LabError
from provision.desired import kafka_distribution

SCRIPT = """#!/bin/sh
for word; do case $word in -DoutputDirectory=*) out=${word#*=} ;; esac; done
mkdir -p "$out"
%s
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a fake mvn, which tests write. Tests with real brokers use the real mvn."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setattr(
        kafka_distribution,
        "_digests",
        lambda version: {"a.jar": EMPTY} if version == "3.9.1" else {},
    )
    return tools / "mvn"


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def write_maven(maven: Path, commands: str) -> None:
    maven.write_text(SCRIPT % commands)
    maven.chmod(0o755)


def test_jars_with_known_digests_are_kept_and_not_downloaded_again(
    maven: Path, tmp_path: Path
) -> None:
    write_maven(maven, '>"$out/a.jar"')
    reports: list[str] = []
    target = kafka_distribution.collect("3.9.1", tmp_path / "kafka", reports.append)
    assert [path.name for path in target.iterdir()] == ["a.jar"]
    write_maven(maven, "exit 1")
    assert kafka_distribution.collect("3.9.1", tmp_path / "kafka", reports.append) == target
    assert reports == ["collecting Kafka 3.9.1 from Maven Central, once"]


@pytest.mark.parametrize(
    "commands", ['echo changed >"$out/a.jar"', '>"$out/a.jar"; >"$out/b.jar"', ":"]
)
def test_jars_with_other_digests_are_rejected_and_removed(
    commands: str, maven: Path, tmp_path: Path
) -> None:
    write_maven(maven, commands)
    with pytest.raises(LabError, match=r"jars from Maven have wrong digests: [ab]\.jar"):
        kafka_distribution.collect("3.9.1", tmp_path / "kafka", print)
    assert list((tmp_path / "kafka").iterdir()) == []


def test_errors_of_maven_are_shown(maven: Path, tmp_path: Path) -> None:
    write_maven(maven, "echo '[INFO] Scanning'; echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(
        LabError, match=r"cannot collect Kafka's jars:\n.*Could not transfer artifact"
    ):
        kafka_distribution.collect("3.9.1", tmp_path / "kafka", print)


def test_without_maven_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError) as caught:
        kafka_distribution.collect("3.9.1", tmp_path / "kafka", print)
    assert "maven" in caught.value.hint


def test_an_unknown_version_is_answered_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"Kafka 3\.9\.1, 4\.1\.0 only"):
        kafka_distribution.collect("3.7.0", Path("/nonexistent"), print)
