"""The files that hactl writes for Kafka and ZooKeeper break no rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provision.checks.lint.kafka_files.registry import Files, add
from provision.checks.lint.kafka_files.rules import KAFKA
from provision.core.facts import Facts
from provision.core.shipped import shipped
from provision.deploy.project import load
from provision.desired.items import File
from tests.kafka.authority import deployed

LINTED = re.compile(
    r"/(server|client|producer|consumer)\.properties$|/zoo\.cfg$|/(kafka|zookeeper)/jaas\.conf$"
)


@pytest.mark.parametrize("name", ["kafka.yml", "kafka-zookeeper.yml"])
def test_the_shipped_inventories_are_sound(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files of all hosts together."""
    inventory = shipped("inventories") / name
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for number, variable in enumerate(
        sorted(set(re.findall(r"!env (\w+)", inventory.read_text())))
    ):
        monkeypatch.setenv(variable, f"s3cret-{number}")
    project = deployed(load(inventory))
    files = Files()
    for host in project.managed(""):
        for item in project.render(host, Facts(default_interface="eth0")).of("file"):
            if isinstance(item, File) and LINTED.search(item.name):
                files = add(files, f"{host}{item.name}", item.content)
    assert len(files.servers) == 3
    assert [str(finding.problem) for finding in KAFKA.findings(files)] == []
