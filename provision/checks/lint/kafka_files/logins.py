"""Who logs in to what, as the files say: clients and brokers to Kafka, brokers to ZooKeeper, users in scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from provision.checks.lint.kafka_files.registry import Files, items
from provision.core.errors import Position
from provision.formats import jaas_property
from provision.formats.jaas import JaasModule, JaasOption, JaasRefusal
from provision.formats.jaas_property import Reading
from provision.formats.properties import Entry, Properties
from provision.formats.text import Text

JAAS = "sasl.jaas.config"
_CREATED = re.compile(r"(SCRAM-SHA-(?:256|512))=\[([^\]]*)\]")


@dataclass(frozen=True)
class JaasProperty:
    """A `sasl.jaas.config` entry as Kafka takes it; `meant` is what it was to be where that can be told.

    `cause` is why it is refused, empty where it is not: a cause of the parser, `wrapped` or `quoted`.
    """

    entry: Entry
    reading: Reading
    meant: Reading
    cause: str

    @property
    def refusal(self) -> JaasRefusal | None:
        """Kafka's first complaint."""
        return self.reading.refusals[0] if self.reading.refusals else None

    @property
    def module(self) -> JaasModule | None:
        """The login module that was meant."""
        return self.meant.modules[0] if self.meant.modules else None


def jaas_properties(file: Properties) -> Iterator[JaasProperty]:
    """Each entry whose key ends in `sasl.jaas.config`, overruled ones left out."""
    for key in file.plain():
        entry = file.entry(key)
        if entry and (key == JAAS or key.endswith(f".{JAAS}")):
            yield _interpreted(file, entry)


def _interpreted(file: Properties, entry: Entry) -> JaasProperty:
    reading = jaas_property.read(entry.value)
    if not reading.refusals:
        return JaasProperty(entry, reading, reading, "")
    value = entry.value.trimmed()
    meant, cause = _joined(file, entry), "wrapped"
    if not meant and value.text.startswith(("'", '"')):
        meant, cause = (
            jaas_property.read(value.part(1, len(value.text) - (value.text[-1] == value.text[0]))),
            "quoted",
        )
    if not meant:
        meant, cause = reading, reading.refusals[0].cause
    return JaasProperty(entry, reading, meant, cause)


def _joined(file: Properties, entry: Entry) -> Reading | None:
    """The reading of the value together with the line behind it, where the two make sense."""
    after = file.entries[file.entries.index(entry) + 1 :]
    if not after:
        return None
    line = after[0].line
    blank = Text(" ", ((line.position.line, line.position.column),), line.end, file.file)
    for joined in (entry.value + line, entry.value + blank + line):
        reading = jaas_property.read(joined)
        if reading.modules and not reading.refusals:
            return reading
    return None


@dataclass(frozen=True)
class DeclaredLogin:
    """A user with a password and a mechanism; `module` is the login module, `file` where it is configured."""

    user: str
    password: str
    mechanism: str
    module: JaasModule
    file: str

    @property
    def position(self) -> Position:
        """Where the user is written."""
        option = self.module.option("username")
        return option.position if option else self.module.position


def client_logins(files: Files) -> list[DeclaredLogin]:
    """Who each client file logs in as: by its own property, else by KafkaClient in a JAAS file."""
    found = []
    for client in files.clients:
        module = _client_module(files, client)
        if module:
            mechanism = client.get("sasl.mechanism", "GSSAPI")
            found.append(
                DeclaredLogin(
                    module.get("username"), module.get("password"), mechanism, module, client.file
                )
            )
    return found


def _client_module(files: Files, client: Properties) -> JaasModule | None:
    if client.entry(JAAS):
        return next(
            (own.module for own in jaas_properties(client) if own.entry.key.text == JAAS), None
        )
    shared = files.contexts("KafkaClient")
    uses_sasl = client.get("security.protocol").startswith("SASL")
    return shared[0].modules[0] if uses_sasl and shared and shared[0].modules else None


def server_modules(files: Files) -> list[tuple[str, JaasModule]]:
    """Login modules of brokers: those of KafkaServer contexts, and those of servers' properties; with their file."""
    found = [
        (file.file, module)
        for file in files.jaas
        for context in file.contexts
        if context.name == "KafkaServer" or context.name.endswith(".KafkaServer")
        for module in context.modules
    ]
    for server in files.servers:
        found.extend((server.file, own.module) for own in jaas_properties(server) if own.module)
    return found


def inter_broker_logins(files: Files) -> list[DeclaredLogin]:
    """Whom brokers log in to each other as."""
    mechanism = next((broker_mechanism(server) for server in files.servers), "")
    return [
        DeclaredLogin(module.get("username"), module.get("password"), mechanism, module, file)
        for file, module in server_modules(files)
        if mechanism and module.option("username")
    ]


def broker_mechanism(server: Properties) -> str:
    """The mechanism between brokers; empty where they do not use SASL."""
    protocol = server.get("security.inter.broker.protocol")
    named = server.entry("inter.broker.listener.name")
    return (
        server.get("sasl.mechanism.inter.broker.protocol", "GSSAPI")
        if named or protocol[:4] == "SASL"
        else ""
    )


def enabled_mechanisms(server: Properties) -> list[str]:
    """What any listener of the server accepts, in the file's order."""
    texts = [server.get(key) for key in server.plain() if key.endswith("sasl.enabled.mechanisms")]
    found = dict.fromkeys(item for text in texts for item in items(text))
    return list(found) or ["GSSAPI"]


@dataclass(frozen=True)
class Created:
    """A SCRAM user that a script creates, for one mechanism."""

    user: str
    mechanism: str
    password: str
    iterations: int
    position: Position


def created_users(files: Files) -> list[Created]:
    """Users created by `kafka-configs --add-config` and `kafka-storage format --add-scram`, in the scripts' order."""
    found: list[Created] = []
    for command in files.commands("kafka-configs"):
        for user in command.values("--entity-name", "--user"):
            for text in command.values("--add-config"):
                found.extend(_created(user, text, command.position))
    for command in files.commands("kafka-storage"):
        for text in command.values("--add-scram", "-S"):
            found.extend(_created("", text, command.position))
    return found


def _created(user: str, text: str, position: Position) -> Iterator[Created]:
    for mechanism, inside in _CREATED.findall(text):
        fields = dict(field.partition("=")[::2] for field in inside.split(","))
        iterations = fields.get("iterations", "4096")
        name = user or fields.get("name", "")
        yield Created(name, mechanism, fields.get("password", ""), _whole(iterations), position)


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def users_of(modules: list[JaasModule]) -> dict[str, JaasOption]:
    """All `user_NAME` options of these modules."""
    return {name: option for module in modules for name, option in module.users().items()}
