"""What the rules say Kafka says, Kafka says: every quoted message is compared with that of its own classes."""

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

#: Rules whose message comes in the middle of a login: test_login.py asks a broker.
AT_LOGIN = {"mechanism-not-enabled", "login-password-differs", "plain-users-elsewhere"}
#: Rules about a key that is read only where a listener needs it: the broker starts, and logs it.
LOGGED = {"jaas-unprefixed"}
#: Rules about what topics are checked with, not the broker's own file.
BY_TOPIC = {"compaction-lag"}


def said(finding: Finding) -> str:
    """The message that a finding quotes, with white space as it may stand in a line."""
    return " ".join(finding.problem.what.partition("Kafka says: ")[2].split())


def inputs(name: str, text: bytes) -> Iterator[tuple[str, bytes]]:
    """What Java is given of a file: as a whole, and each `sasl.jaas.config` in it as Kafka would get it."""
    try:
        role = kind(name, text)
        plain = properties.read(text, name).plain() if role in ("server", "client") else {}
    except Exception:  # our own reader refuses it: so must Java's
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
    """Every complaint of Java's about these files."""
    asked = [item for name, text in texts.items() for item in inputs(name, text)]
    return {" ".join(reading.error.split()) for reading in readings(asked)}


def quoted(files: Files, rules: set[str]) -> set[str]:
    """The messages that the findings of these rules quote."""
    return {
        said(finding)
        for finding in KAFKA.findings(files)
        if finding.problem.rule in rules and said(finding)
    }


QUOTING = {rule.id for rule in KAFKA.rules} - AT_LOGIN - LOGGED - BY_TOPIC


def test_every_quoted_message_is_kafkas() -> None:
    """All examples at once: each message that we quote is among Java's for that example, but for what is masked."""
    cases = {
        name: {file: text.encode() for file, text in EXAMPLES[name].broken.items()}
        for name in sorted(QUOTING)
    }
    asked = [
        (name, item)
        for name, texts in cases.items()
        for file in texts
        for item in inputs(file, texts[file])
    ]
    answers: dict[str, set[str]] = {}
    for (name, _), answer in zip(asked, readings([item for _, item in asked]), strict=True):
        answers.setdefault(name, set()).add(" ".join(answer.error.split()))
    compared = 0
    for name, texts in cases.items():
        files = Files()
        for file, text in texts.items():
            files = add(files, file, text)
        for message in quoted(files, {name}):
            expected = re.escape(message).replace(re.escape(MASK), "[^']+")
            assert [answer for answer in answers[name] if re.fullmatch(expected, answer)], (
                message,
                answers[name],
            )
            compared += 1
    assert compared >= 13


def test_sound_examples_are_taken() -> None:
    """What lint leaves in peace about reading, Java reads."""
    names = [name for name in QUOTING if name.startswith("jaas-") and name != "jaas-expansion"]
    asked = [
        item
        for name in names
        for file, text in EXAMPLES[name].sound.items()
        for item in inputs(file, text.encode())
    ]
    assert [reading.error for reading in readings(asked)] == [""] * len(asked)


def test_the_guides_files_fail_as_lint_says() -> None:
    """The real classes on the published files: the same messages, and no more of them."""
    texts = {str(path): path.read_bytes() for path in sorted(SOURCE.iterdir())}
    ours = quoted(read([Path(name) for name in texts]), QUOTING)
    assert java_errors(texts) - {""} == ours
    assert "Login module control flag not specified in JAAS config" in ours
    assert "Configuration Error: Invalid control flag, REQUIREDUSERNAME" in ours
    assert any(
        re.match(r"Invalid value 0Host\.name=.* Not a number of type INT$", message)
        for message in ours
    )


def test_zookeeper_takes_the_guides_zoo_cfg_as_lint_says() -> None:
    """The prefix is doubled, and of the two commands in one word neither is allowed."""
    (reading,) = readings([("zoo", (SOURCE / "zoo.cfg").read_bytes())])
    assert not reading.error
    assert {"zookeeper.zookeeper.sasl.client", "zookeeper.requireClientAuthScheme"} <= set(
        reading.fields
    )
    assert [field for field in reading.fields if field in ("conf", "stat", "mntr", "envi")] == [
        "conf",
        "stat",
    ]
