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
CONFIG_SUFFIXES = (".properties", ".conf", ".cfg", ".jaas")
MIN_SIMILARITY = 0.85
"""More than zk_jaas.conf has with jaas.conf, less than `server.propertis` with the right name."""


def _base_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _is_client(command: Command) -> bool:
    return command.tool in CLIENT_TOOLS or any(
        word.startswith(CLIENT_CLASSES) for word in command.words
    )


@rule(
    "client-has-server-jaas",
    "error",
    "A client's script uses the broker's JAAS file",
    "everybody who may run the client can read the brokers' password, and is then a super user",
    "org.apache.kafka.common.security.JaasContext; kafka-run-class.sh: KAFKA_OPTS",
)
def client_has_server_jaas(files: Files) -> Iterator[Hit]:
    """`KAFKA_OPTS` in a script that runs a client."""
    server_files = {_base_name(file.file) for file in files.jaas if file.context("KafkaServer")}
    fix = "remove it, and put `sasl.jaas.config` into the client's file"
    for script in files.scripts:
        if not any(_is_client(command) for command in script.commands):
            continue
        for command in script.commands:
            for variable, value in command.assigned:
                path = value.partition(JAAS_OPTION)[2].split(" ")[0]
                name = _base_name(path)
                is_server_file = name in server_files if server_files else "server" in name
                if variable == "KAFKA_OPTS" and path and is_server_file:
                    yield command, f"`KAFKA_OPTS` names {name}, which holds KafkaServer", fix


@rule(
    "zookeeper-option",
    "error",
    "A tool connects to ZooKeeper",
    "kafka-topics has no `--zookeeper` since 3.0, kafka-configs has it up to 3.9 for little more "
    "than the first SCRAM users, and no tool has it in 4.0",
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
                fix += (
                    " (2.7 or newer); for the first user with KRaft "
                    "`kafka-storage format --add-scram` (3.5 or newer)"
                )
            yield command, f"`{command.name} {option}`", fix


@rule(
    "acl-topic-read",
    "error",
    "A consumer may not read its topic",
    "it gets TOPIC_AUTHORIZATION_FAILED: Not authorized to access topics",
    "kafka.admin.AclCommand: --consumer is Read and Describe on the topic, Read on the group",
)
def acl_topic_read(files: Files) -> Iterator[Hit]:
    """The scripts grant ACLs, but the consumer's user gets no Read on a topic."""
    for consumer, user, place in _consumers(files):
        if not _may_read(files, user, "--topic"):
            message = f"no ACL lets `{user}` ({consumer.file}) read a topic"
            arguments = (
                f"--add --allow-principal User:{user} --consumer --topic TOPIC --group GROUP"
            )
            yield place, message, f"run kafka-acls with `{arguments}`"


@rule(
    "acl-group-read",
    "error",
    "A consumer may not use its group",
    "it gets GROUP_AUTHORIZATION_FAILED: Not authorized to access group",
    "kafka.admin.AclCommand: --consumer is Read and Describe on the topic, Read on the group",
)
def acl_group_read(files: Files) -> Iterator[Hit]:
    """The scripts grant ACLs, but the consumer's user gets no Read on a group."""
    for consumer, user, place in _consumers(files):
        if not _may_read(files, user, "--group"):
            message = f"no ACL lets `{user}` ({consumer.file}) use a consumer group"
            arguments = f"--add --allow-principal User:{user} --operation Read --group GROUP"
            yield place, message, f"run kafka-acls with `{arguments}`"


def _consumers(files: Files) -> Iterator[tuple[Properties, str, Command]]:
    """Yield client files of consumers with their user and the last command that adds an ACL."""
    additions = [command for command in files.commands("kafka-acls") if command.has("--add")]
    if not additions:
        return
    super_users = {
        principal.strip()
        for server in files.servers
        for principal in server.get("super.users").split(";")
    }
    users = {
        login.file: login.user
        for login in client_logins(files)
        if f"User:{login.user}" not in super_users
    }
    for client in files.clients:
        consumes = "consumer" in _base_name(client.file) or client.entry("group.id")
        if consumes and client.file in users:
            yield client, users[client.file], additions[-1]


def _may_read(files: Files, user: str, resource: str) -> bool:
    for command in files.commands("kafka-acls"):
        principals = command.values("--allow-principal")
        operations = {value.lower() for value in command.values("--operation")}
        reads = command.has("--consumer") or {"read", "all"} & operations
        applies = f"User:{user}" in principals or "User:*" in principals
        if command.has("--add") and applies and reads and command.has(resource):
            return True
    return False


@rule(
    "broker-before-user",
    "warning",
    "A broker starts before its user exists",
    "it cannot log in to any broker, and retries for ever",
    "Kafka documentation, SASL/SCRAM: create the inter-broker credentials before the brokers "
    "are started",
)
def broker_before_user(files: Files) -> Iterator[Hit]:
    """A script starts a broker with SCRAM between brokers before it creates the broker's user."""
    login = next(iter(inter_broker_logins(files)), None)
    if login is None or not login.mechanism.startswith("SCRAM"):
        return
    for script in files.scripts:
        start = next(
            (command for command in script.commands if command.tool == "kafka-server-start"), None
        )
        if start and not _is_created_before(script, start, login.user):
            message = f"nothing before this line creates `{login.user}` for {login.mechanism}"
            yield start, message, "create it first: with a new metadata store, this start fails"


def _is_created_before(script: ShellScript, start: Command, user: str) -> bool:
    before = ShellScript(script.file, script.commands[: script.commands.index(start)])
    return any(creation.user == user for creation in created_users(Files(scripts=(before,))))


@rule(
    "file-misspelt",
    "warning",
    "A script names a file whose name is similar to another file's",
    "the tool does not read the intended file, or creates a new one",
    "the names of the files given",
)
def file_misspelt(files: Files) -> Iterator[Hit]:
    """`server.propertis` if server.properties is given."""
    names = {_base_name(name) for name in files.names}
    for script in files.scripts:
        for command in script.commands:
            for word in (*command.words, *(value for _, value in command.assigned)):
                name = _base_name(word.rsplit("=", 1)[-1])
                intended = "" if name.startswith("-") else _intended_name(name, names)
                if intended:
                    message = f"`{name}` is not among the files, but {intended} is"
                    yield command, message, f"write `{intended}`"


def _intended_name(name: str, names: set[str]) -> str:
    """Return the file name that `name` misspells; empty if there is none."""
    if name in names or "." not in name:
        return ""
    for other in sorted(names):
        doubled = name == other + "." + other.rsplit(".", 1)[-1]
        ratio = SequenceMatcher(None, name, other).ratio()
        similar = ratio >= MIN_SIMILARITY and not name.startswith(other)
        if other.endswith(CONFIG_SUFFIXES) and (
            doubled or (similar and not name.endswith(CONFIG_SUFFIXES))
        ):
            return other
    return ""
