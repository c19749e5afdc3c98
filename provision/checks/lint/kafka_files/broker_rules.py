"""Rules about the keys of server.properties, and about what is wrong with any properties file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from provision.checks.lint.kafka_files.cleanup_rules import TOPIC_KEYS
from provision.checks.lint.kafka_files.keys import alike, complaint, known
from provision.checks.lint.kafka_files.registry import Files, number, rule
from provision.checks.lint.registry import Hit
from provision.formats.jaas import MASK
from provision.formats.properties import Entry, Properties

GLUED = re.compile(r"(-?\d+|true|false)([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+)=")
#: A value of a number's key that is shown as it is; of others only the beginning, as a password may have slipped in.
_HARMLESS = re.compile(r"[^\s=\"']*(=[\d.:]*)?")
_BEGINNING = re.compile(r"(?<=[\s=\"']).*", re.DOTALL)
LOOPBACK = re.compile(r"//(localhost|127\.[\d.]+|\[::1\]):|//(localhost|127\.[\d.]+|\[::1\])$")
#: Keys that are gone, the version that dropped them, and what takes their place.
REMOVED = {
    "host.name": ("3.0", "`listeners`"),
    "port": ("3.0", "`listeners`"),
    "advertised.host.name": ("3.0", "`advertised.listeners`"),
    "advertised.port": ("3.0", "`advertised.listeners`"),
    "quota.producer.default": ("3.0", "kafka-configs --alter with a quota"),
    "quota.consumer.default": ("3.0", "kafka-configs --alter with a quota"),
    "log.message.format.version": ("4.0", "nothing"),
}
SIMPLE = "kafka.security.auth.SimpleAclAuthorizer"
ACL = "kafka.security.authorizer.AclAuthorizer"
STANDARD = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


@rule(
    "file-unreadable",
    "error",
    "A file that cannot be told or read",
    "",
    "java.util.Properties.load",
)
def file_broken(files: Files) -> Iterator[Hit]:
    """A malformed `\\u` escape, for which Java refuses the whole file; a file of no known kind."""
    for problem in files.broken:
        yield problem, problem.what, problem.fix


@rule(
    "property-twice",
    "warning",
    "A property is set twice",
    "the later one counts, silently",
    "java.util.Properties.load",
)
def property_twice(files: Files) -> Iterator[Hit]:
    """Within one file."""
    for _, file in files.settings():
        first: dict[str, Entry] = {}
        for entry in file.entries:
            key = entry.key.text
            if key in first:
                yield (
                    entry,
                    f"`{key}` is set in line {first[key].position.line} already",
                    "keep one of them",
                )
            first.setdefault(key, entry)


def _glued(file: Properties) -> Iterator[tuple[Entry, str, str]]:
    """Entries in whose value a second property begins, with its key and the value before it."""
    for key in file.plain():
        entry = file.entry(key)
        found = entry and GLUED.match(entry.value.text)
        if entry and found:
            yield entry, found[2], found[1]


def _complaint(kind: str, entry: Entry) -> str:
    """Why Kafka does not take a value for one of its key's type; empty where it does."""
    key, text = entry.key.text, entry.value.trimmed().text
    why = complaint(known(kind).get(key, ""), text)
    if not _HARMLESS.fullmatch(text):
        text = _BEGINNING.sub(MASK, text)
    return f"Invalid value {text} for configuration {key}: {why}" if why else ""


@rule(
    "value-type",
    "error",
    "A value that is no number, or not true or false",
    "it does not start",
    "org.apache.kafka.common.config.ConfigDef.parseType",
)
def value_type(files: Files) -> Iterator[Hit]:
    """Every key that Kafka has, of brokers and clients."""
    for kind, file in files.settings():
        glued = [entry for entry, _, _ in _glued(file)]
        for key in file.plain():
            entry = file.entry(key)
            if entry and entry not in glued and _complaint(kind, entry):
                yield entry, f"Kafka says: {_complaint(kind, entry)}", "correct the value"


@rule(
    "key-misspelt",
    "warning",
    "A key that is spelt almost like one that Kafka has",
    "Kafka takes it for one of a plug-in, and uses its default for the one that is meant",
    "org.apache.kafka.common.config.AbstractConfig.logUnused",
)
def key_misspelt(files: Files) -> Iterator[Hit]:
    """Keys below `listener.name.` are left out, and those that other rules name."""
    for kind, file in files.settings():
        for key in file.plain() if kind != "zookeeper" else ():
            elsewhere = (
                key.lower() in REMOVED or key in TOPIC_KEYS or key.startswith("listener.name.")
            )
            meant = "" if elsewhere or key in known(kind) else alike(kind, key)
            entry = file.entry(key)
            if entry and meant:
                yield entry, f"there is no `{key}`", f"write `{meant}`"


@rule(
    "lines-run-together",
    "error",
    "Two properties on one line",
    "the first has a value that is none, and the second is not there at all",
    "org.apache.kafka.common.config.ConfigDef.parseType",
)
def lines_run_together(files: Files) -> Iterator[Hit]:
    """`0Host.name=…`: the line end between them was lost."""
    for kind, file in files.settings():
        for entry, second, value in _glued(file):
            what = f"`{entry.key.text}={value}` and `{second}=…` stand on one line"
            said = _complaint(kind, entry)
            what += f"; Kafka says: {said}" if said else ""
            yield entry, what, f"begin a new line before `{second}`"


@rule(
    "key-removed",
    "warning",
    "A key that newer versions no longer have",
    "it is ignored there, with a line in the log at most",
    "Kafka's upgrade notes for 3.0 and 4.0",
)
def key_removed(files: Files) -> Iterator[Hit]:
    """Also where it was run together with the line before; keys are told apart by case."""
    for server in files.servers:
        keys = {key: server.entry(key) for key in server.plain()}
        keys |= {second: entry for entry, second, _ in _glued(server)}
        for key, entry in keys.items():
            known = REMOVED.get(key.lower())
            if entry and known:
                case = "" if key.islower() else " (and keys are written in lower case)"
                yield entry, f"`{key}` is gone in {known[0]}{case}", f"use {known[1]}"


@rule(
    "authorizer-class",
    "error",
    "An authorizer that this kind of broker does not have",
    "the broker does not start, or checks nothing",
    "KIP-504 (AclAuthorizer, 2.4), KIP-801 (StandardAuthorizer), upgrade notes for 3.0 and 4.0",
)
def authorizer_class(files: Files) -> Iterator[Hit]:
    """SimpleAclAuthorizer until 2.3, AclAuthorizer with ZooKeeper from 2.4, StandardAuthorizer with KRaft."""
    for server in files.servers:
        entry, name = server.entry("authorizer.class.name"), server.get("authorizer.class.name")
        kraft = bool(server.entry("process.roles"))
        if not entry:
            continue
        if name == SIMPLE:
            what = "SimpleAclAuthorizer is deprecated from 2.4 and gone in 3.0"
            yield entry, what, f"use {STANDARD if kraft else ACL}"
        elif kraft and name == ACL:
            yield (
                entry,
                "AclAuthorizer keeps its rules in ZooKeeper, and this broker has none",
                f"use {STANDARD}",
            )
        elif not kraft and name == STANDARD:
            yield entry, "StandardAuthorizer keeps its rules in KRaft's metadata", f"use {ACL}"


@rule(
    "advertised-loopback",
    "warning",
    "A broker tells its clients to come to localhost",
    "clients on other hosts connect to themselves once they have asked for the metadata",
    "org.apache.kafka.network.SocketServerConfigs: advertised.listeners",
)
def advertised_loopback(files: Files) -> Iterator[Hit]:
    """Also of a broker whose listeners name it and that advertises nothing else."""
    for server in files.servers:
        entry = server.entry("advertised.listeners") or server.entry("listeners")
        if entry and LOOPBACK.search(entry.value.text):
            yield (
                entry,
                "the advertised address is a loopback address",
                "advertise a name that clients can resolve",
            )


@rule(
    "data-in-tmp",
    "warning",
    "Data in /tmp",
    "it is gone after a restart, or when somebody tidies up: topics, users and ACLs",
    "tmpfiles.d(5); hier(7)",
)
def data_in_tmp(files: Files) -> Iterator[Hit]:
    """Kafka's logs and ZooKeeper's snapshots and transactions."""
    keys: dict[str, tuple[str, ...]] = {
        "server": ("log.dirs", "log.dir", "metadata.log.dir"),
        "zookeeper": ("dataDir", "dataLogDir"),
        "client": (),
    }
    for kind, file in files.settings():
        for key in keys[kind]:
            entry = file.entry(key)
            if entry and any(
                item.strip().startswith("/tmp/") for item in entry.value.text.split(",")
            ):
                yield entry, f"`{key}` is below /tmp", "use a folder of its own, as /var/lib/kafka"


def broker_count(files: Files) -> int | None:
    """How many brokers there are: as many as files, or one that only its own host can reach; None is not known."""
    brokers = [
        server for server in files.servers if server.get("process.roles", "broker") != "controller"
    ]
    if len(brokers) > 1:
        return len(brokers)
    place = brokers and (brokers[0].entry("advertised.listeners") or brokers[0].entry("listeners"))
    return 1 if place and LOOPBACK.search(place.value.text) else None


_FACTORS: tuple[tuple[str, int, Literal["offsets", "transactions", "topics"]], ...] = (
    ("offsets.topic.replication.factor", 3, "offsets"),
    ("transaction.state.log.replication.factor", 3, "transactions"),
    ("default.replication.factor", 1, "topics"),
)
_CONSEQUENCE = {
    "offsets": "consumers get COORDINATOR_NOT_AVAILABLE for ever",
    "transactions": "transactional producers get COORDINATOR_NOT_AVAILABLE for ever",
    "topics": "INVALID_REPLICATION_FACTOR for each topic",
}


@rule(
    "replication-above-brokers",
    "error",
    "More replicas than brokers",
    "the topic cannot be created",
    "kafka.server.AutoTopicCreationManager; org.apache.kafka.coordinator.group.GroupCoordinatorConfig",
)
def replication_above_brokers(files: Files) -> Iterator[Hit]:
    """Set or by default (3 for Kafka's own topics)."""
    count = broker_count(files)
    for server in files.servers if count else ():
        for key, default, what_for in _FACTORS:
            factor = number(server, key, default)
            place = server.entry(key) or server.entry("broker.id") or server.entry("node.id")
            if place and count and factor > count:
                by_default = "" if server.entry(key) else ", its default,"
                brokers = "one broker" if count == 1 else f"{count} brokers"
                what = f"`{key}` is {factor}{by_default} with {brokers}: {_CONSEQUENCE[what_for]}"
                yield place, what, f"set it to {count}, or run more brokers"


@rule(
    "min-isr-too-high",
    "error",
    "As many replicas must be in sync as there are, or more",
    "one broker that is down stops every producer with acks=all",
    "org.apache.kafka.common.config.TopicConfig: min.insync.replicas",
)
def min_isr_too_high(files: Files) -> Iterator[Hit]:
    """For topics created without figures of their own, and for the transaction log; one replica of one is allowed."""
    pairs = (
        ("min.insync.replicas", 1, "default.replication.factor", 1),
        ("transaction.state.log.min.isr", 2, "transaction.state.log.replication.factor", 3),
    )
    for server in files.servers:
        for key, least, factor, replicas in pairs:
            entry = server.entry(key)
            wanted, there = number(server, key, least), number(server, factor, replicas)
            if entry and (wanted > there or wanted == there > 1):
                yield (
                    entry,
                    f"`{key}={wanted}` with {there} replicas (`{factor}`)",
                    "set it one lower",
                )
