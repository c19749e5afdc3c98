"""Rules about scripts: start-up files, and the commands that create users, topics and ACLs."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from provision.checks.lint.kafka_files.logins import (
    client_logins,
    created_users,
    inter_broker_logins,
)
from provision.checks.lint.kafka_files.registry import Files, rule
from provision.checks.lint.kafka_files.shell import Command, ShellScript
from provision.checks.lint.registry import Hit
from provision.formats.properties import Properties

JAAS_OPTION = "-Djava.security.auth.login.config="
CLIENT_TOOLS = (
    "kafka-console-producer",
    "kafka-console-consumer",
    "kafka-consumer-groups",
    "kafka-producer-perf-test",
)
CLIENT_CLASSES = ("kafka.tools.Console", "org.apache.kafka.tools.")
ENDINGS = (".properties", ".conf", ".cfg", ".jaas")
CLOSE = 0.85  # as alike as `server.propertis` and `server.properties`, less than zk_jaas.conf and jaas.conf


def _is_client(command: Command) -> bool:
    return command.tool in CLIENT_TOOLS or any(
        word.startswith(CLIENT_CLASSES) for word in command.words
    )


@rule(
    "client-has-server-jaas",
    "error",
    "A client's script is given the broker's JAAS file",
    "it hands the brokers' password to everyone who may run the client, who is then a super user",
    "org.apache.kafka.common.security.JaasContext; kafka-run-class.sh: KAFKA_OPTS",
)
def client_has_server_jaas(files: Files) -> Iterator[Hit]:
    """`KAFKA_OPTS` in a script that runs a client."""
    own = {file.file.rsplit("/", 1)[-1] for file in files.jaas if file.context("KafkaServer")}
    for script in files.scripts:
        if not any(_is_client(command) for command in script.commands):
            continue
        for command in script.commands:
            for name, value in command.assigned:
                path = value.partition(JAAS_OPTION)[2].split(" ")[0]
                short = path.rsplit("/", 1)[-1]
                if (
                    name == "KAFKA_OPTS"
                    and path
                    and (short in own or (not own and "server" in short))
                ):
                    what = f"`KAFKA_OPTS` names {short}, which holds KafkaServer"
                    yield (
                        command,
                        what,
                        "take it out, and give the client `sasl.jaas.config` in its own file",
                    )


@rule(
    "zookeeper-option",
    "error",
    "A tool is told to talk to ZooKeeper",
    "kafka-topics has no `--zookeeper` from 3.0 on, kafka-configs knows it for little but the first SCRAM users up to "
    "3.9, and nothing has it in 4.0",
    "KIP-555; KIP-500",
)
def zookeeper_option(files: Files) -> Iterator[Hit]:
    """`--zookeeper`, and `--authorizer-properties zookeeper.connect=…` of kafka-acls."""
    for script in files.scripts:
        for command in script.commands:
            authorizer = any(
                "zookeeper.connect" in value for value in command.values("--authorizer-properties")
            )
            if not command.tool.startswith("kafka-") or not (
                command.has("--zookeeper") or authorizer
            ):
                continue
            option = "--authorizer-properties" if authorizer else "--zookeeper"
            fix = "use `--bootstrap-server` with `--command-config`"
            if any("SCRAM" in value for value in command.values("--add-config")):
                fix += " (2.7 or newer); for the first user with KRaft `kafka-storage format --add-scram` (3.5 or newer)"
            yield command, f"`{command.name} {option}`", fix


@rule(
    "acl-topic-read",
    "error",
    "A consumer may not read its topic",
    "it gets TOPIC_AUTHORIZATION_FAILED: Not authorized to access topics",
    "kafka.admin.AclCommand: --consumer is Read and Describe on the topic, Read on the group",
)
def acl_topic_read(files: Files) -> Iterator[Hit]:
    """The scripts grant something, but to the consumers' user no Read on a topic."""
    for consumer, user, place in _consumers(files):
        if not _granted(files, user, "--topic"):
            what = f"no ACL lets `{user}` ({consumer.file}) read a topic"
            yield (
                place,
                what,
                f"`--add --allow-principal User:{user} --consumer --topic TOPIC --group GROUP`",
            )


@rule(
    "acl-group-read",
    "error",
    "A consumer may not use its group",
    "it gets GROUP_AUTHORIZATION_FAILED: Not authorized to access group",
    "kafka.admin.AclCommand: --consumer is Read and Describe on the topic, Read on the group",
)
def acl_group_read(files: Files) -> Iterator[Hit]:
    """The same for Read on a group."""
    for consumer, user, place in _consumers(files):
        if not _granted(files, user, "--group"):
            what = f"no ACL lets `{user}` ({consumer.file}) use a consumer group"
            yield (
                place,
                what,
                f"`--add --allow-principal User:{user} --operation Read --group GROUP`",
            )


def _consumers(files: Files) -> Iterator[tuple[Properties, str, Command]]:
    """Client files of consumers with their user and the last command that adds an ACL."""
    added = [command for command in files.commands("kafka-acls") if command.has("--add")]
    if not added:
        return
    exempt = {
        item.strip() for server in files.servers for item in server.get("super.users").split(";")
    }
    users = {
        login.file: login.user
        for login in client_logins(files)
        if f"User:{login.user}" not in exempt
    }
    for client in files.clients:
        consumes = "consumer" in client.file.rsplit("/", 1)[-1] or client.entry("group.id")
        if consumes and client.file in users:
            yield client, users[client.file], added[-1]


def _granted(files: Files, user: str, resource: str) -> bool:
    for command in files.commands("kafka-acls"):
        principals = command.values("--allow-principal")
        reads = command.has("--consumer") or {"read", "all"} & {
            v.lower() for v in command.values("--operation")
        }
        mine = f"User:{user}" in principals or "User:*" in principals
        if command.has("--add") and mine and reads and command.has(resource):
            return True
    return False


@rule(
    "broker-before-user",
    "warning",
    "A broker is started before its own user exists",
    "it cannot log in to the others nor to itself, and tries for ever",
    "Kafka documentation, SASL/SCRAM: create the inter-broker credentials before the brokers are started",
)
def broker_before_user(files: Files) -> Iterator[Hit]:
    """A script that starts a broker with SCRAM between brokers, and creates its user later or not at all."""
    mechanism, users = next(
        ((login.mechanism, login.user) for login in inter_broker_logins(files)), ("", "")
    )
    if not mechanism.startswith("SCRAM"):
        return
    for script in files.scripts:
        start = next(
            (command for command in script.commands if command.tool == "kafka-server-start"), None
        )
        if start and not _created_before(script, start, users):
            what = f"nothing before this line creates `{users}` for {mechanism}"
            yield start, what, "create it first: where the store is new, this start fails"


def _created_before(script: ShellScript, start: Command, user: str) -> bool:
    before = ShellScript(script.file, script.commands[: script.commands.index(start)])
    return any(created.user == user for created in created_users(Files(scripts=(before,))))


@rule(
    "file-misspelt",
    "warning",
    "A script names a file that is spelt like another one",
    "the one that is meant is not read, or a new one is begun beside it",
    "the names of the files given",
)
def file_misspelt(files: Files) -> Iterator[Hit]:
    """`server.propertis` where server.properties is given."""
    names = {name.rsplit("/", 1)[-1] for name in files.names}
    for script in files.scripts:
        for command in script.commands:
            for word in (*command.words, *(value for _, value in command.assigned)):
                short = word.rsplit("=", 1)[-1].rsplit("/", 1)[-1]
                meant = "" if short.startswith("-") else _alike(short, names)
                if meant:
                    yield (
                        command,
                        f"`{short}` is not among the files; {meant} is",
                        f"write `{meant}`",
                    )


def _alike(name: str, names: set[str]) -> str:
    """The file that `name` is a misspelling of."""
    if name in names or "." not in name:
        return ""
    for other in sorted(names):
        doubled = name == other + "." + other.rsplit(".", 1)[-1]
        alike = SequenceMatcher(None, name, other).ratio() >= CLOSE and not name.startswith(other)
        if other.endswith(ENDINGS) and (doubled or (alike and not name.endswith(ENDINGS))):
            return other
    return ""
