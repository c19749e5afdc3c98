"""Files are told apart by what is in them, by their name only where that says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.checks.lint.kafka_files.registry import MAX_BYTES, Files, add, kind, read
from provision.checks.lint.kafka_files.rules import KAFKA
from provision.core.errors import InputError, UsageError

KINDS = {
    "x1": ("tickTime=2000\n", "zookeeper"),
    "x2": ("dataDir=/d\nclientPort=2181\n", "zookeeper"),
    "x3": ("process.roles=broker\n", "server"),
    "x4": ("broker.id=0\nzookeeper.connect=z\n", "server"),
    "x5": ("bootstrap.servers=b\n", "client"),
    "x6": ("# c\nsasl.mechanism=PLAIN\n", "client"),
    "x7": ("/* c */\nKafkaServer {\n a.B required;\n};\n", "jaas"),
    "x8": ("#!/bin/sh\nsome { thing\n", "script"),
    "x9": ("  bin/kafka-topics.sh --list\n", "script"),
    "a.sh": ("f() {\n}\n", "script"),
    "zoo.cfg": ("x=1\n", "zookeeper"),
    "conf/server.properties": ("x=1\n", "server"),
    "consumer.conf": ("", "client"),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_file_is_told(name: str) -> None:
    """One of each kind, and those that only their name tells."""
    text, expected = KINDS[name]
    assert kind(name, text.encode()) == expected


def test_what_is_none_is_said() -> None:
    """It becomes a finding, so that the others are looked at all the same."""
    with pytest.raises(InputError, match=r"notes\.txt:1:1: file-unreadable: is neither"):
        kind("notes.txt", b"hello\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a folder, or far too large for a configuration."""
    large = tmp_path / "server.log"
    large.write_bytes(b"x" * (MAX_BYTES + 1))
    for path, why in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (large, "larger than 1 MiB"),
    ):
        with pytest.raises(UsageError, match=why):
            read([path])


@settings(deadline=None)
@given(
    st.sampled_from(["server.properties", "consumer.conf", "zoo.cfg", "jaas.conf", "x.sh"]),
    st.binary(max_size=300),
)
def test_no_content_ends_in_a_traceback(name: str, data: bytes) -> None:
    """Whatever a file holds, it has findings or none."""
    KAFKA.findings(add(Files(), name, data))


PIECES = [
    "sasl.jaas.config",
    "listeners",
    "log.retention.ms",
    "server.1",
    "=",
    ":",
    "\n",
    "\\",
    '"',
    "{",
    "}",
    ";",
    "required ",
]
PIECES += [
    "KafkaServer {",
    "user_a=b",
    "kafka-acls.sh --add",
    "kafka-configs --add-config SCRAM-SHA-256=[",
    "'",
    "//",
    "-1",
    " ",
]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=20).map("".join), max_size=4))
def test_no_mixture_ends_in_a_traceback(texts: list[str]) -> None:
    """Several files of pieces that the rules look for."""
    files = Files()
    for number, text in enumerate(texts):
        files = add(files, f"f{number}", text.encode())
    KAFKA.findings(files)
