"""Rules about the keys of server.properties, and about mistakes in any properties file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provision.checks.lint.kafka_files.cleanup_rules import TOPIC_KEYS
from provision.checks.lint.kafka_files.keys import closest_key, complaint, known
from provision.checks.lint.kafka_files.registry import Files, number, rule
from provision.checks.lint.registry import Hit
from provision.formats.jaas import MASK
from provision.formats.properties import Entry, Properties

_GLUED = re.compile(r"(-?\d+|true|false)([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+)=")
#: Values that messages show whole. Of other values they show only the beginning: a password may
#: have slipped into the value.
_HARMLESS = re.compile(r"[^\s=\"']*(=[\d.:]*)?")
_REMAINDER = re.compile(r"(?<=[\s=\"']).*", re.DOTALL)
LOOPBACK = re.compile(r"//(localhost|127\.[\d.]+|\[::1\]):|//(localhost|127\.[\d.]+|\[::1\])$")
#: Removed keys, with the version that removed them and their replacement.
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
    "A file that cannot be read, or is of no known kind",
    "",
    "java.util.Properties.load",
)
def file_broken(files: Files) -> Iterator[Hit]:
    """A malformed `\\u` escape makes Java refuse the whole file."""
    for problem in files.broken:
        yield problem, problem.what, problem.fix


@rule(
    "property-twice",
    "warning",
    "A property is set twice",
    "Java uses the later value, without a message",
    "java.util.Properties.load",
)
def property_twice(files: Files) -> Iterator[Hit]:
    """Compares the keys within one file."""
    for _, file in files.settings():
        first_lines: dict[str, int] = {}
        for entry in file.entries:
            key = entry.key.text
            if key in first_lines:
                message = f"`{key}` is already set in line {first_lines[key]}"
                yield entry, message, "keep only one of them"
            first_lines.setdefault(key, entry.position.line)


def _glued_entries(file: Properties) -> Iterator[tuple[Entry, str, str]]:
    """Yield entries whose value contains a second property.

    With each entry come the key of the second property and the value before it.
    """
    for key in file.plain():
        entry = file.entry(key)
        match = entry and _GLUED.match(entry.value.text)
        if entry and match:
            yield entry, match[2], match[1]


def _kafka_message(kind: str, entry: Entry) -> str:
    """Return Kafka's message about a value of the wrong type; empty if Kafka accepts it."""
    key, text = entry.key.text, entry.value.trimmed().text
    reason = complaint(known(kind).get(key, ""), text)
    if not _HARMLESS.fullmatch(text):
        text = _REMAINDER.sub(MASK, text)
    return f"Invalid value {text} for configuration {key}: {reason}" if reason else ""


@rule(
    "value-type",
    "error",
    "A value that is not a number, or not true or false",
    "the broker or client does not start",
    "org.apache.kafka.common.config.ConfigDef.parseType",
)
def value_type(files: Files) -> Iterator[Hit]:
    """Checks every key that Kafka's brokers and clients have."""
    for kind, file in files.settings():
        glued = [entry for entry, _, _ in _glued_entries(file)]
        for key in file.plain():
            entry = file.entry(key)
            if entry and entry not in glued and _kafka_message(kind, entry):
                yield entry, f"Kafka says: {_kafka_message(kind, entry)}", "correct the value"


@rule(
    "key-misspelt",
    "warning",
    "A key that is similar to a key of Kafka's",
    "Kafka passes it on to plug-ins, and uses its default for the intended key",
    "org.apache.kafka.common.config.AbstractConfig.logUnused",
)
def key_misspelt(files: Files) -> Iterator[Hit]:
    """Ignores keys below `listener.name.`, and those that other rules report."""
    for kind, file in files.settings():
        for key in file.plain() if kind != "zookeeper" else ():
            ignored = (
                key.lower() in REMOVED or key in TOPIC_KEYS or key.startswith("listener.name.")
            )
            intended = "" if ignored or key in known(kind) else closest_key(kind, key)
            entry = file.entry(key)
            if entry and intended:
                yield entry, f"Kafka has no key `{key}`", f"write `{intended}`"


@rule(
    "lines-run-together",
    "error",
    "Two properties on one line",
    "the first property has an invalid value, and the second is not set at all",
    "org.apache.kafka.common.config.ConfigDef.parseType",
)
def lines_run_together(files: Files) -> Iterator[Hit]:
    """`0Host.name=…`: the line end between them is missing."""
    for kind, file in files.settings():
        for entry, second, value in _glued_entries(file):
            message = f"`{entry.key.text}={value}` and `{second}=…` are on one line"
            kafka_message = _kafka_message(kind, entry)
            message += f"; Kafka says: {kafka_message}" if kafka_message else ""
            yield entry, message, f"begin a new line before `{second}`"


@rule(
    "key-removed",
    "warning",
    "A key that newer versions no longer have",
    "these versions ignore it, at most with a line in the log",
    "Kafka's upgrade notes for 3.0 and 4.0",
)
def key_removed(files: Files) -> Iterator[Hit]:
    """Includes keys that are glued to the line before. Kafka's keys are case-sensitive."""
    for server in files.servers:
        entries = {key: server.entry(key) for key in server.plain()}
        entries |= {second: entry for entry, second, _ in _glued_entries(server)}
        for key, entry in entries.items():
            if entry and key.lower() in REMOVED:
                version, replacement = REMOVED[key.lower()]
                case = "" if key.islower() else " (and keys are written in lower case)"
                yield entry, f"`{key}` was removed in {version}{case}", f"use {replacement}"


@rule(
    "authorizer-class",
    "error",
    "An authorizer that this kind of broker does not have",
    "the broker does not start, or authorizes nothing",
    "KIP-504 (AclAuthorizer, 2.4), KIP-801 (StandardAuthorizer), upgrade notes for 3.0 and 4.0",
)
def authorizer_class(files: Files) -> Iterator[Hit]:
    """Which authorizer is right depends on the version and on the mode.

    SimpleAclAuthorizer is for versions up to 2.3, AclAuthorizer for ZooKeeper from 2.4 on,
    StandardAuthorizer for KRaft.
    """
    for server in files.servers:
        entry, name = server.entry("authorizer.class.name"), server.get("authorizer.class.name")
        kraft = bool(server.entry("process.roles"))
        if not entry:
            continue
        if name == SIMPLE:
            message = "SimpleAclAuthorizer is deprecated since 2.4 and was removed in 3.0"
            yield entry, message, f"use {STANDARD if kraft else ACL}"
        elif kraft and name == ACL:
            message = "AclAuthorizer stores ACLs in ZooKeeper, and this broker has none"
            yield entry, message, f"use {STANDARD}"
        elif not kraft and name == STANDARD:
            yield entry, "StandardAuthorizer stores ACLs in KRaft's metadata", f"use {ACL}"


@rule(
    "advertised-loopback",
    "warning",
    "A broker advertises localhost to its clients",
    "after the metadata request, clients on other hosts connect to themselves",
    "org.apache.kafka.network.SocketServerConfigs: advertised.listeners",
)
def advertised_loopback(files: Files) -> Iterator[Hit]:
    """A broker without `advertised.listeners` advertises its `listeners`."""
    for server in files.servers:
        entry = server.entry("advertised.listeners") or server.entry("listeners")
        if entry and LOOPBACK.search(entry.value.text):
            message = "the advertised address is a loopback address"
            yield entry, message, "advertise a name that clients can resolve"


@rule(
    "data-in-tmp",
    "warning",
    "Data in /tmp",
    "topics, users and ACLs are lost after a restart, or when somebody cleans up /tmp",
    "tmpfiles.d(5); hier(7)",
)
def data_in_tmp(files: Files) -> Iterator[Hit]:
    """Checks the folders of Kafka's logs and of ZooKeeper's snapshots and transactions."""
    keys: dict[str, tuple[str, ...]] = {
        "server": ("log.dirs", "log.dir", "metadata.log.dir"),
        "zookeeper": ("dataDir", "dataLogDir"),
        "client": (),
    }
    for kind, file in files.settings():
        for key in keys[kind]:
            entry = file.entry(key)
            if entry and any(
                folder.strip().startswith("/tmp/") for folder in entry.value.text.split(",")
            ):
                yield entry, f"`{key}` is below /tmp", "use another folder, such as /var/lib/kafka"


def broker_count(files: Files) -> int | None:
    """Return the number of brokers; None if it is unknown.

    Several files count as that many brokers. A single file counts as one broker only if the broker
    advertises a loopback address.
    """
    brokers = [
        server for server in files.servers if server.get("process.roles", "broker") != "controller"
    ]
    if len(brokers) > 1:
        return len(brokers)
    place = brokers and (brokers[0].entry("advertised.listeners") or brokers[0].entry("listeners"))
    return 1 if place and LOOPBACK.search(place.value.text) else None


#: Keys of replication factors, with their default and the consequence of too high a factor.
_FACTORS = (
    (
        "offsets.topic.replication.factor",
        3,
        "consumers get COORDINATOR_NOT_AVAILABLE for ever",
    ),
    (
        "transaction.state.log.replication.factor",
        3,
        "transactional producers get COORDINATOR_NOT_AVAILABLE for ever",
    ),
    ("default.replication.factor", 1, "INVALID_REPLICATION_FACTOR for each topic"),
)


@rule(
    "replication-above-brokers",
    "error",
    "More replicas than brokers",
    "the topic cannot be created",
    "kafka.server.AutoTopicCreationManager; "
    "org.apache.kafka.coordinator.group.GroupCoordinatorConfig",
)
def replication_above_brokers(files: Files) -> Iterator[Hit]:
    """Checks factors in the file and Kafka's defaults (3 for its internal topics)."""
    count = broker_count(files)
    for server in files.servers if count else ():
        for key, default, consequence in _FACTORS:
            factor = number(server, key, default)
            place = server.entry(key) or server.entry("broker.id") or server.entry("node.id")
            if place and count and factor > count:
                by_default = "" if server.entry(key) else ", its default,"
                brokers = "one broker" if count == 1 else f"{count} brokers"
                message = f"`{key}` is {factor}{by_default} with {brokers}: {consequence}"
                yield place, message, f"set it to {count}, or run more brokers"


@rule(
    "min-isr-too-high",
    "error",
    "All replicas must be in sync, or more than there are",
    "while one broker is down, no client can produce with acks=all",
    "org.apache.kafka.common.config.TopicConfig: min.insync.replicas",
)
def min_isr_too_high(files: Files) -> Iterator[Hit]:
    """Checks the default for topics, and the transaction log. One replica of one is allowed."""
    pairs = (
        ("min.insync.replicas", 1, "default.replication.factor", 1),
        ("transaction.state.log.min.isr", 2, "transaction.state.log.replication.factor", 3),
    )
    for server in files.servers:
        for key, default_min_isr, factor_key, default_factor in pairs:
            entry = server.entry(key)
            min_isr = number(server, key, default_min_isr)
            replicas = number(server, factor_key, default_factor)
            if entry and (min_isr > replicas or min_isr == replicas > 1):
                message = f"`{key}={min_isr}` with {replicas} replicas (`{factor_key}`)"
                yield entry, message, "set it one lower"
