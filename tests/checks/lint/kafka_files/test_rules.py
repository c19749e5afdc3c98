"""Every rule with files that break it, and similar files that do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from provision.checks.lint.kafka_files.registry import Files, add
from provision.checks.lint.kafka_files.rules import KAFKA
from provision.formats.jaas import DIGEST, PLAIN, SCRAM

Texts = Mapping[str, str]

SASL = "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
LOGIN = f'{SCRAM} required username="u" password="p";'
BROKER = """broker.id=1
zookeeper.connect=zk1:2181
listeners=SASL_SSL://kafka1:9092
security.inter.broker.protocol=SASL_SSL
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.enabled.mechanisms=SCRAM-SHA-512
"""
PROVIDER = "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
SECURE = PROVIDER + "sessionRequireClientSASLAuth=true\nquorum.auth.enableSasl=true\n"
ADMIN = f'KafkaServer {{ {SCRAM} required username="admin" password="a"; }};\n'
ACL = "kafka-acls.sh --bootstrap-server b:9093 --add --allow-principal User:u --operation Read"
CREATE = (
    "kafka-configs.sh --bootstrap-server b:9093 --alter --entity-type users "
    "--entity-name {} --add-config '{}=[{}]'\n"
)
SERVER_JAAS = 'export KAFKA_OPTS="-Djava.security.auth.login.config=/a/j"'
USER = CREATE.format("u", "SCRAM-SHA-512", "password=p")


@dataclass(frozen=True)
class Example:
    """Files that break a rule, and files that do not; both by name."""

    broken: Texts
    sound: Texts


def client(jaas: str) -> dict[str, str]:
    """A client's file with that `sasl.jaas.config`."""
    return {"client.properties": f"{SASL}sasl.jaas.config={jaas}\n"}


def server(settings: str, **others: str) -> dict[str, str]:
    """A broker's file with more settings, and other files."""
    return {"server.properties": BROKER + settings.replace(" ", "\n") + "\n", **others}


def zoo(settings: str, jaas: str = "") -> dict[str, str]:
    """A zoo.cfg with these settings, and a JAAS file."""
    text = f"tickTime=2000\nsyncLimit=5\ndataDir=/var/lib/zookeeper\n{settings}\n"
    return {"zoo.cfg": text, "jaas.conf": jaas} if jaas else {"zoo.cfg": text}


def context_of(module: str, options: str, context: str = "KafkaServer") -> str:
    """A JAAS file's context."""
    return f"{context} {{ {module} required {options}; }};\n"


PLAIN_ON = server("listener.name.a.sasl.enabled.mechanisms=PLAIN")
EXAMPLES = {
    "jaas-line-wrapped": Example(
        client(LOGIN.replace(" required", "\nrequired")), client(LOGIN.replace(" r", " \\\nr"))
    ),
    "jaas-value-quoted": Example(client(f"'{LOGIN}'"), client(LOGIN)),
    "jaas-flag-missing": Example(client(SCRAM), client(LOGIN)),
    "jaas-flag-glued": Example(
        client(LOGIN.replace("required ", "required")), client(LOGIN.replace('" p', '"p'))
    ),
    "jaas-flag-unknown": Example(
        client(LOGIN.replace("required", "needed")), client(LOGIN.replace("required", "REQUIRED"))
    ),
    "jaas-not-terminated": Example(
        {"jaas.conf": "A { b.C required d=e };"}, {"jaas.conf": "A { b.C required d=e; };"}
    ),
    "jaas-value-unquoted": Example(
        client(LOGIN.replace('"p"', "123abc")), client(LOGIN.replace('"p"', "abc123"))
    ),
    "jaas-modules": Example(client(LOGIN + LOGIN), client(LOGIN)),
    "jaas-syntax": Example(
        {"jaas.conf": "A {\n b.C required d=e;\n"}, {"jaas.conf": "A {\n b.C required d=e;\n};"}
    ),
    "jaas-unprefixed": Example(
        server("", **{"server.properties": f"{BROKER}sasl.jaas.config={LOGIN}\n"}),
        {
            "server.properties": f"{BROKER}"
            f"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={LOGIN}\n"
        },
    ),
    "jaas-module-unknown": Example(
        client(LOGIN.replace("ScramLogin", "ScarmLogin")), client(LOGIN)
    ),
    "jaas-expansion": Example(
        {"j": context_of(SCRAM, 'username="${u}"')}, {"j": context_of(SCRAM, 'username="${{u}}"')}
    ),
    "zk-auth-scheme-ignored": Example(
        zoo("requireClientAuthScheme=sasl"), zoo("sessionRequireClientSASLAuth=true")
    ),
    "zk-anonymous": Example(
        zoo(PROVIDER), zoo(PROVIDER + "enforce.auth.enabled=true\nenforce.auth.schemes=sasl\n")
    ),
    "zk-whitelist": Example(
        zoo("4lw.commands.whitelist=mntr.envi"), zoo("4lw.commands.whitelist=mntr, envi")
    ),
    "zk-prefix-doubled": Example(zoo("zookeeper.sasl.client=true"), zoo("sasl.client=true")),
    "zk-one-server": Example(
        zoo("server.1=a:2888:3888"), zoo("server.1=a:2888:3888\nserver.2=b:2888:3888")
    ),
    "zk-server-line": Example(zoo("server.1=a"), zoo("server.1=a:2888:3888:observer;2181")),
    "zk-init-limit": Example(zoo("initLimit=1"), zoo("initLimit=10")),
    "zk-quorum-unauthenticated": Example(
        zoo(PROVIDER, context_of(DIGEST, 'username="a" password="b" user_c="d"', "Server")),
        zoo(SECURE, context_of(DIGEST, 'username="a" password="b" user_c="d"', "Server")),
    ),
    "zk-client-module": Example(
        {"j": context_of(SCRAM, "username=u", "Client")},
        {"j": context_of(DIGEST, "username=u", "Client")},
    ),
    "zk-login-differs": Example(
        {
            "z": context_of(DIGEST, 'user_k="1"', "Server"),
            "k": context_of(DIGEST, 'username="k" password="2"', "Client"),
        },
        {
            "z": context_of(DIGEST, 'user_k="1"', "Server"),
            "k": context_of(DIGEST, 'username="k" password="1"', "Client"),
        },
    ),
    "zk-acl-unset": Example(
        server("", j=context_of(DIGEST, "username=u", "Client")),
        server("zookeeper.set.acl=true", j=context_of(DIGEST, "username=u", "Client")),
    ),
    "mechanism-not-enabled": Example(
        {**server(""), "client.properties": "sasl.mechanism=PLAIN"},
        {**server(""), "client.properties": "sasl.mechanism=SCRAM-SHA-512"},
    ),
    "inter-broker-mechanism": Example(
        server("sasl.enabled.mechanisms=PLAIN"),
        server("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512"),
    ),
    "plain-users-elsewhere": Example(
        {**PLAIN_ON, "j": context_of(SCRAM, 'user_a="b"')},
        {**PLAIN_ON, "j": context_of(PLAIN, 'user_a="b"')},
    ),
    "scram-user-options": Example(
        {"j": context_of(SCRAM, 'user_a="b"')}, {"j": context_of(PLAIN, 'user_a="b"')}
    ),
    "login-password-differs": Example(
        {**client(LOGIN), "u.sh": CREATE.format("u", "SCRAM-SHA-512", "password=q")},
        {**client(LOGIN), "u.sh": USER},
    ),
    "login-user-unknown": Example(
        {**client(LOGIN), "u.sh": CREATE.format("other", "SCRAM-SHA-512", "password=p")},
        {**client(LOGIN), "u.sh": CREATE.format("other", "SCRAM-SHA-256", "password=p")},
    ),
    "scram-one-password": Example(
        {"u.sh": USER + CREATE.format("v", "SCRAM-SHA-512", "password=p")},
        {"u.sh": USER + CREATE.format("v", "SCRAM-SHA-512", "password=q")},
    ),
    "scram-iterations": Example(
        {"u.sh": CREATE.format("u", "SCRAM-SHA-256", "iterations=4095,password=p")},
        {"u.sh": CREATE.format("u", "SCRAM-SHA-256", "iterations=4096,password=p")},
    ),
    "client-fallback": Example(
        {"j": ADMIN + context_of(SCRAM, 'username="admin"', "KafkaClient")},
        {"j": ADMIN, "k": context_of(SCRAM, 'username="u"', "KafkaClient")},
    ),
    "client-has-server-jaas": Example(
        {
            "j": ADMIN,
            "c.sh": f"{SERVER_JAAS}\nkafka-console-producer.sh",
        },
        {
            "j": ADMIN,
            "c.sh": f"{SERVER_JAAS}\nkafka-server-start.sh",
        },
    ),
    "zookeeper-option": Example(
        {"t.sh": "kafka-topics.sh --list --zookeeper z:2181"},
        {"t.sh": "kafka-topics.sh --list --bootstrap-server b:9092"},
    ),
    "acl-topic-read": Example(
        {"consumer.conf": f"sasl.jaas.config={LOGIN}", "a.sh": f"{ACL} --group g"},
        {"consumer.conf": f"sasl.jaas.config={LOGIN}", "a.sh": f"{ACL} --topic t"},
    ),
    "acl-group-read": Example(
        {"c.conf": f"group.id=g\nsasl.jaas.config={LOGIN}", "a.sh": f"{ACL} --topic t"},
        {
            "c.conf": f"group.id=g\nsasl.jaas.config={LOGIN}",
            "a.sh": f"{ACL} --topic t \\\n --group g",
        },
    ),
    "broker-before-user": Example(
        {
            **server("", j=context_of(SCRAM, 'username="u"')),
            "s.sh": "kafka-server-start.sh server.properties\n" + USER,
        },
        {
            **server("", j=context_of(SCRAM, 'username="u"')),
            "s.sh": USER + "kafka-server-start.sh server.properties\n",
        },
    ),
    "file-misspelt": Example(
        {**server(""), "s.sh": "vi server.propertis"},
        {**server(""), "s.sh": "cp server.properties server.properties.bak; vi server2.properties"},
    ),
    "file-unreadable": Example(
        {"client.properties": "acks=\\u1"}, {"client.properties": "acks=\\u0031"}
    ),
    "property-twice": Example(
        server("num.partitions=1 num.partitions=2"), server("num.partitions=1")
    ),
    "value-type": Example(server("num.io.threads=8k"), server("num.io.threads=8")),
    "key-misspelt": Example(server("num.io.thread=8"), server("my.plugin.threads=8")),
    "lines-run-together": Example(
        server("num.io.threads=8log.dirs=/d"), server("num.io.threads=8 log.dirs=/d")
    ),
    "key-removed": Example(server("host.name=a"), server("advertised.listeners=SASL_SSL://a:1")),
    "authorizer-class": Example(
        server(
            "process.roles=broker authorizer.class.name=kafka.security.authorizer.AclAuthorizer"
        ),
        server("authorizer.class.name=kafka.security.authorizer.AclAuthorizer"),
    ),
    "advertised-loopback": Example(
        server("advertised.listeners=SASL_SSL://127.0.0.1:9092"),
        server("advertised.listeners=SASL_SSL://localhost.b:9092"),
    ),
    "data-in-tmp": Example(
        server("log.dirs=/data,/tmp/kafka"), server("log.dirs=/data,/var/tmp/kafka")
    ),
    "replication-above-brokers": Example(
        {**server("offsets.topic.replication.factor=3"), "second/server.properties": BROKER},
        server("offsets.topic.replication.factor=3"),
    ),
    "min-isr-too-high": Example(
        server("min.insync.replicas=3 default.replication.factor=3"),
        server("min.insync.replicas=2 default.replication.factor=3"),
    ),
    "topic-key-on-broker": Example(
        server("delete.retention.ms=1"), server("log.cleaner.delete.retention.ms=1")
    ),
    "cleanup-policy": Example(
        server("log.cleanup.policy=compress"), server("log.cleanup.policy=compact,delete")
    ),
    "cleaner-off": Example(server("log.cleaner.enable=false"), server("log.cleaner.enable=true")),
    "retention-overruled": Example(
        server("log.retention.hours=1 log.retention.ms=5"), server("log.retention.hours=168")
    ),
    "retention-size-coarse": Example(
        server("log.retention.bytes=1073741824"),
        server("log.retention.bytes=1073741824 log.segment.bytes=104857600"),
    ),
    "retention-below-roll": Example(
        server("log.retention.hours=24"), server("log.retention.hours=24 log.roll.hours=2")
    ),
    "retention-check-slow": Example(
        server("log.retention.ms=60000"),
        server("log.retention.ms=60000 log.retention.check.interval.ms=30000"),
    ),
    "compaction-lag": Example(
        server("log.cleaner.min.compaction.lag.ms=9 log.cleaner.max.compaction.lag.ms=8"),
        server("log.cleaner.min.compaction.lag.ms=8 log.cleaner.max.compaction.lag.ms=9"),
    ),
    "cleaner-buffer": Example(server("log.cleaner.threads=128"), server("log.cleaner.threads=127")),
    "segment-too-small": Example(
        server("log.segment.bytes=1048575"), server("log.segment.bytes=1048576")
    ),
    "tiered-and-compacted": Example(
        server("log.cleanup.policy=compact remote.log.storage.system.enable=true"),
        server("log.cleanup.policy=compact"),
    ),
}


def broken_rules(texts: Texts) -> set[str]:
    """The rules that these files break."""
    files = Files()
    for name, text in texts.items():
        files = add(files, name, text.encode())
    return {finding.problem.rule for finding in KAFKA.findings(files)}


def test_every_rule_has_an_example() -> None:
    """Without an example, nothing shows that a rule finds anything."""
    assert set(EXAMPLES) == {rule.id for rule in KAFKA.rules}


@pytest.mark.parametrize("rule", EXAMPLES)
def test_a_rule_finds_its_mistake(rule: str) -> None:
    """It does not find anything in the similar files."""
    assert rule in broken_rules(EXAMPLES[rule].broken)
    assert rule not in broken_rules(EXAMPLES[rule].sound)


def test_sound_files_break_no_rule() -> None:
    """A whole secured cluster."""
    files = {
        **server(
            "min.insync.replicas=2 default.replication.factor=3 log.dirs=/var/lib/kafka", j=ADMIN
        ),
        **client(LOGIN),
        "users.sh": USER + CREATE.format("admin", "SCRAM-SHA-512", "password=a"),
    }
    assert broken_rules(files) == set()
