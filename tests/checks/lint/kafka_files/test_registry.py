"""The content of a file shows its kind; its name counts only if the content does not."""

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
def test_the_kind_of_a_file_is_recognised(name: str) -> None:
    """Every kind by its content, and some by their name."""
    text, expected = KINDS[name]
    assert kind(name, text.encode()) == expected


def test_a_file_of_no_known_kind_is_a_problem() -> None:
    """`add` turns the problem into a finding, so the other files are checked all the same."""
    with pytest.raises(InputError, match=r"notes\.txt:1:1: file-unreadable: is neither"):
        kind("notes.txt", b"hello\n")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a folder, and a file that is too large."""
    large = tmp_path / "server.log"
    large.write_bytes(b"x" * (MAX_BYTES + 1))
    for path, message in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (large, "larger than 1 MiB"),
    ):
        with pytest.raises(UsageError, match=message):
            read([path])


@settings(deadline=None)
@given(
    st.sampled_from(["server.properties", "consumer.conf", "zoo.cfg", "jaas.conf", "x.sh"]),
    st.binary(max_size=300),
)
def test_no_content_ends_in_a_traceback(name: str, data: bytes) -> None:
    """Any content has findings or none."""
    KAFKA.findings(add(Files(), name, data))


FRAGMENTS = [
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
FRAGMENTS += [
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
@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join), max_size=4))
def test_no_mixture_ends_in_a_traceback(texts: list[str]) -> None:
    """Several files made of fragments that the rules look for."""
    files = Files()
    for number, text in enumerate(texts):
        files = add(files, f"f{number}", text.encode())
    KAFKA.findings(files)
