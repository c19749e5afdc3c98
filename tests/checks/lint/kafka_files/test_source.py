"""The files of a published guide to SASL (`source/`): lint finds every mistake and its position."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.checks.lint.kafka_files.registry import Files, add, read
from provision.checks.lint.kafka_files.rules import KAFKA
from provision.checks.lint.registry import Finding
from provision.formats.jaas import SCRAM

SOURCE = Path(__file__).parent / "source"

#: The rules that must find something, with the positions.
EXPECTED = {
    # Files that Kafka, Java and ZooKeeper refuse.
    "jaas-line-wrapped": {"producer.conf:3", "consumer.conf:3"},
    "jaas-flag-glued": {"zk_jaas.conf:1"}
    | {f"kafka_server_jaas.conf:{line}" for line in (1, 3, 5)},
    "lines-run-together": {"server.properties:31"},
    # ZooKeeper.
    "zk-auth-scheme-ignored": {"zoo.cfg:15"},
    "zk-anonymous": {"zoo.cfg:13"},
    "zk-whitelist": {"zoo.cfg:12"},
    "zk-client-module": {"kafka_server_jaas.conf:5"},
    "zk-quorum-unauthenticated": {"zk_jaas.conf:1"},
    "zk-one-server": {"zoo.cfg:11"},
    "zk-prefix-doubled": {"zoo.cfg:16"},
    "zk-acl-unset": {"server.properties:29"},
    "zk-init-limit": {"zoo.cfg:2"},
    # Logins that several files must agree on.
    "scram-one-password": {"commands.sh:5"},
    "login-password-differs": {"producer.conf:4", "consumer.conf:4"},
    "plain-users-elsewhere": {"kafka_server_jaas.conf:1"},
    "scram-user-options": {"kafka_server_jaas.conf:1", "kafka_server_jaas.conf:3"},
    "mechanism-not-enabled": {"producer.properties:2", "consumer.properties:2"},
    "client-has-server-jaas": {"kafka-console-producer.sh:4", "kafka-console-consumer.sh:4"},
    "client-fallback": {"kafka_server_jaas.conf:3"},
    "broker-before-user": {"startup.sh:4"},
    # The broker.
    "replication-above-brokers": {"server.properties:18"},
    "key-removed": {"server.properties:31"},
    "authorizer-class": {"server.properties:8"},
    "advertised-loopback": {"server.properties:3"},
    "data-in-tmp": {"server.properties:15", "zoo.cfg:4", "zoo.cfg:5"},
    "retention-size-coarse": {"server.properties:24"},
    # Commands.
    "acl-topic-read": {"commands.sh:9"},
    "acl-group-read": {"commands.sh:9"},
    "zookeeper-option": {f"commands.sh:{line}" for line in range(3, 10)},
    "file-misspelt": {"commands.sh:1", "commands.sh:2"},
}


@pytest.fixture(scope="module")
def files() -> Files:
    """All files of the guide together."""
    return read(sorted(SOURCE.iterdir()))


@pytest.fixture(scope="module")
def findings(files: Files) -> list[Finding]:
    """The findings in these files."""
    return KAFKA.findings(files)


def test_the_kinds_of_the_files_are_recognised(files: Files) -> None:
    """The content decides: several kinds end in `.conf` and `.properties`."""
    kinds = {
        kind: [Path(file.file).name for file in getattr(files, kind)]
        for kind in ("servers", "clients", "zookeepers")
    }
    assert kinds == {
        "servers": ["server.properties"],
        "clients": ["consumer.conf", "consumer.properties", "producer.conf", "producer.properties"],
        "zookeepers": ["zoo.cfg"],
    }
    assert [Path(file.file).name for file in files.jaas] == [
        "kafka_server_jaas.conf",
        "zk_jaas.conf",
    ]
    assert len(files.scripts) == 4


def test_every_mistake_is_named_and_nothing_else(findings: list[Finding]) -> None:
    """Exactly these rules, each at its lines."""
    positions: dict[str, set[str]] = {}
    for finding in findings:
        position = finding.problem.position
        positions.setdefault(finding.problem.rule, set()).add(
            f"{Path(position.file).name}:{position.line}"
        )
    assert positions == EXPECTED


def test_the_error_that_the_guide_ends_with_is_explained(findings: list[Finding]) -> None:
    """Its author saw this message. The cause is the wrapped line, not the JAAS file or its path."""
    problems = [
        finding.problem
        for finding in findings
        if "control flag not specified in JAAS config" in finding.problem.what
    ]
    assert {problem.rule for problem in problems} == {"jaas-line-wrapped"}
    assert "on one line" in problems[0].fix


def test_no_password_is_shown(findings: list[Finding]) -> None:
    """Neither in messages nor in reasons nor in fixes."""
    text = "\n".join(str(finding.problem) for finding in findings)
    assert not [
        secret
        for secret in ("admin123", "producer123", "consumer123", "kafka123")
        if secret in text
    ]


PASSWORD = "Zq9hX2vLw8"  # noqa: S105
TEXTS = {
    "client.properties": f"retries=3\nsasl.jaas.config={SCRAM} required "
    f'username="u" password="{PASSWORD}";\nacks=1\n',
    "quoted.properties": f'sasl.jaas.config="{SCRAM} required '
    f"password='{PASSWORD}' username='u';\"\n",
    "glued.properties": f'retries=3sasl.jaas.config={SCRAM} required password="{PASSWORD}";\n',
    "jaas.conf": f"KafkaServer {{ {SCRAM} required\n"
    f'  password="{PASSWORD}"\n  user_a="{PASSWORD}"\n  username="u";\n}};\n',
    "users.sh": "kafka-configs.sh --alter "
    f"--add-config 'SCRAM-SHA-256=[password={PASSWORD}]' --entity-name u\n",
    "tls.properties": "security.protocol=SASL_SSL\n"
    f"ssl.keystore.password={PASSWORD}\nssl.key.password={PASSWORD}\n",
}


@given(
    st.sampled_from(sorted(TEXTS)),
    st.lists(
        st.tuples(
            st.integers(0, 200),
            st.integers(0, 2),
            st.sampled_from(["", '"', "'", "\n", " ", ";", "=", "{"]),
        ),
        max_size=3,
    ),
)
@settings(max_examples=400, deadline=None)
def test_no_typing_error_reveals_a_password(name: str, edits: list[tuple[int, int, str]]) -> None:
    """The file lacks some characters or has more; no finding contains the password."""
    text = TEXTS[name]
    for index, removed, added in edits:
        index %= len(text)
        changed = text[:index] + added + text[index + removed :]
        text = changed if PASSWORD in changed else text
    for finding in KAFKA.findings(add(Files(), name, text.encode())):
        assert PASSWORD not in str(finding.problem)
