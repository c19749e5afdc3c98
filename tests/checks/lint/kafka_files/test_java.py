"""Every message that a rule quotes from Kafka is compared with that of Kafka's own classes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.checks.lint.kafka_files.registry import Files, add, kind, read
from provision.checks.lint.kafka_files.rules import KAFKA
from provision.checks.lint.registry import Finding
from provision.formats import properties
from provision.formats.jaas import MASK
from tests.checks.lint.kafka_files.test_rules import EXAMPLES
from tests.checks.lint.kafka_files.test_source import SOURCE
from tests.kafka.java import readings

pytestmark = pytest.mark.java

#: Rules whose message appears during a login: test_login.py compares it with a broker's.
AT_LOGIN = {"mechanism-not-enabled", "login-password-differs", "plain-users-elsewhere"}
#: Rules about a key that only some listeners need: the broker starts and logs the message.
LOGGED = {"jaas-unprefixed"}
#: Rules about the defaults of topics: the broker accepts its file.
BY_TOPIC = {"compaction-lag"}


def quoted_message(finding: Finding) -> str:
    """The message that a finding quotes, with white space normalised."""
    return " ".join(finding.problem.what.partition("Kafka says: ")[2].split())


def inputs(name: str, text: bytes) -> Iterator[tuple[str, bytes]]:
    """The inputs for Java: the whole file, and every `sasl.jaas.config` of it as Kafka gets it."""
    try:
        role = kind(name, text)
        plain = properties.read(text, name).plain() if role in ("server", "client") else {}
    except Exception:  # hactl's reader refuses the file, so Java's must refuse it, too
        yield "properties", text
        return
    if role == "jaas":
        yield "file", text
    if role == "server":
        yield "server", text
    for key, value in plain.items():
        if key.endswith("sasl.jaas.config"):
            yield "property", value.encode()


def java_errors(texts: dict[str, bytes]) -> set[str]:
    """Every error message of Java about these files."""
    requests = [item for name, text in texts.items() for item in inputs(name, text)]
    return {" ".join(reading.error.split()) for reading in readings(requests)}


def quoted_messages(files: Files, rules: set[str]) -> set[str]:
    """The messages that the findings of these rules quote."""
    return {
        quoted_message(finding)
        for finding in KAFKA.findings(files)
        if finding.problem.rule in rules and quoted_message(finding)
    }


QUOTING = {rule.id for rule in KAFKA.rules} - AT_LOGIN - LOGGED - BY_TOPIC


def test_every_quoted_message_is_kafka_s() -> None:
    """Java prints each quoted message for the same example; masked parts may differ."""
    cases = {
        name: {file: text.encode() for file, text in EXAMPLES[name].broken.items()}
        for name in sorted(QUOTING)
    }
    requests = [
        (name, item)
        for name, texts in cases.items()
        for file in texts
        for item in inputs(file, texts[file])
    ]
    answers: dict[str, set[str]] = {}
    for (name, _), answer in zip(requests, readings([item for _, item in requests]), strict=True):
        answers.setdefault(name, set()).add(" ".join(answer.error.split()))
    compared = 0
    for name, texts in cases.items():
        files = Files()
        for file, text in texts.items():
            files = add(files, file, text)
        for message in quoted_messages(files, {name}):
            expected = re.escape(message).replace(re.escape(MASK), "[^']+")
            assert [answer for answer in answers[name] if re.fullmatch(expected, answer)], (
                message,
                answers[name],
            )
            compared += 1
    assert compared >= 13


def test_java_accepts_the_sound_examples() -> None:
    """Java reads files that break no rule about reading."""
    names = [name for name in QUOTING if name.startswith("jaas-") and name != "jaas-expansion"]
    requests = [
        item
        for name in names
        for file, text in EXAMPLES[name].sound.items()
        for item in inputs(file, text.encode())
    ]
    assert [reading.error for reading in readings(requests)] == [""] * len(requests)


def test_java_refuses_the_guide_s_files_with_the_quoted_messages() -> None:
    """The messages are the same, without any more."""
    texts = {str(path): path.read_bytes() for path in sorted(SOURCE.iterdir())}
    ours = quoted_messages(read([Path(name) for name in texts]), QUOTING)
    assert java_errors(texts) - {""} == ours
    assert "Login module control flag not specified in JAAS config" in ours
    assert "Configuration Error: Invalid control flag, REQUIREDUSERNAME" in ours
    assert any(
        re.match(r"Invalid value 0Host\.name=.* Not a number of type INT$", message)
        for message in ours
    )


def test_zookeeper_reads_the_guide_s_zoo_cfg_as_lint_describes() -> None:
    """ZooKeeper doubles the prefix, and allows none of the two commands in one word."""
    (reading,) = readings([("zoo", (SOURCE / "zoo.cfg").read_bytes())])
    assert not reading.error
    assert {"zookeeper.zookeeper.sasl.client", "zookeeper.requireClientAuthScheme"} <= set(
        reading.fields
    )
    assert [field for field in reading.fields if field in ("conf", "stat", "mntr", "envi")] == [
        "conf",
        "stat",
    ]
