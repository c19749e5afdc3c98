"""Kafka's jars: what Maven brings must be what is known; nothing half-done stays."""

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
    """A stand-in for mvn; tests write what it does. The real one fetches in the tests with real brokers."""
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


def act(maven: Path, commands: str) -> None:
    maven.write_text(SCRIPT % commands)
    maven.chmod(0o755)


def test_what_fits_its_digest_is_kept_and_not_fetched_again(maven: Path, tmp_path: Path) -> None:
    act(maven, '>"$out/a.jar"')
    said: list[str] = []
    place = kafka_distribution.collect("3.9.1", tmp_path / "kafka", said.append)
    assert [path.name for path in place.iterdir()] == ["a.jar"]
    act(maven, "exit 1")
    assert kafka_distribution.collect("3.9.1", tmp_path / "kafka", said.append) == place
    assert said == ["collecting Kafka 3.9.1 from Maven Central, once"]


@pytest.mark.parametrize(
    "commands", ['echo changed >"$out/a.jar"', '>"$out/a.jar"; >"$out/b.jar"', ":"]
)
def test_other_jars_than_the_known_ones_are_refused_and_removed(
    commands: str, maven: Path, tmp_path: Path
) -> None:
    act(maven, commands)
    with pytest.raises(LabError, match=r"jars from Maven have wrong digests: [ab]\.jar"):
        kafka_distribution.collect("3.9.1", tmp_path / "kafka", print)
    assert list((tmp_path / "kafka").iterdir()) == []


def test_mavens_own_words_are_passed_on(maven: Path, tmp_path: Path) -> None:
    act(maven, "echo '[INFO] Scanning'; echo '[ERROR] Could not transfer artifact'; exit 1")
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


def test_a_version_without_digests_names_those_with() -> None:
    with pytest.raises(LabError, match=r"Kafka 3\.9\.1, 4\.1\.0 only"):
        kafka_distribution.collect("3.7.0", Path("/nonexistent"), print)
