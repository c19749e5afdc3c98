"""Logins and users that the files declare: of clients, of brokers, and in scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from provision.checks.lint.kafka_files.registry import Files, items
from provision.core.errors import Position
from provision.formats import jaas_property
from provision.formats.jaas import PLAIN, JaasModule, JaasOption, JaasRefusal
from provision.formats.jaas_property import Reading
from provision.formats.properties import Entry, Properties
from provision.formats.text import Text

JAAS = "sasl.jaas.config"
_SCRAM_CREDENTIAL = re.compile(r"(SCRAM-SHA-(?:256|512))=\[([^\]]*)\]")


@dataclass(frozen=True)
class JaasProperty:
    """A `sasl.jaas.config` entry.

    `reading` is how Kafka reads it; `intended` is what the author meant, as far as it is known.
    `cause` says why Kafka refuses it: a cause of the parser, `wrapped` or `quoted`. It is empty if
    Kafka accepts it.
    """

    entry: Entry
    reading: Reading
    intended: Reading
    cause: str

    @property
    def refusal(self) -> JaasRefusal | None:
        """Kafka's first error message; None if Kafka accepts the entry."""
        return self.reading.refusals[0] if self.reading.refusals else None

    @property
    def module(self) -> JaasModule | None:
        """The intended login module."""
        return self.intended.modules[0] if self.intended.modules else None


def jaas_properties(file: Properties) -> Iterator[JaasProperty]:
    """Yield the entries whose key ends in `sasl.jaas.config`, without overridden ones."""
    for key in file.plain():
        entry = file.entry(key)
        if entry and (key == JAAS or key.endswith(f".{JAAS}")):
            yield _interpret(file, entry)


def _interpret(file: Properties, entry: Entry) -> JaasProperty:
    reading = jaas_property.read(entry.value)
    if not reading.refusals:
        return JaasProperty(entry, reading, reading, "")
    joined = _read_with_next_line(file, entry)
    if joined:
        return JaasProperty(entry, reading, joined, "wrapped")
    value = entry.value.trimmed()
    if value.text.startswith(("'", '"')):
        end = len(value.text) - (value.text[-1] == value.text[0])
        unquoted = jaas_property.read(value.part(1, end))
        return JaasProperty(entry, reading, unquoted, "quoted")
    return JaasProperty(entry, reading, reading, reading.refusals[0].cause)


def _read_with_next_line(file: Properties, entry: Entry) -> Reading | None:
    """Read the value together with the next line; None if the two are not valid together."""
    following = file.entries[file.entries.index(entry) + 1 :]
    if not following:
        return None
    line = following[0].line
    blank = Text(" ", ((line.position.line, line.position.column),), line.end, file.file)
    for joined in (entry.value + line, entry.value + blank + line):
        reading = jaas_property.read(joined)
        if reading.modules and not reading.refusals:
            return reading
    return None


@dataclass(frozen=True)
class DeclaredLogin:
    """A user with a password and a mechanism. `file` configures the login `module`."""

    user: str
    password: str
    mechanism: str
    module: JaasModule
    file: str

    @property
    def position(self) -> Position:
        """The position of the user's name, else of the login module."""
        option = self.module.option("username")
        return option.position if option else self.module.position


def declared_logins(files: Files) -> list[DeclaredLogin]:
    """Return the logins of clients, then those of brokers to each other."""
    return [*client_logins(files), *inter_broker_logins(files)]


def client_logins(files: Files) -> list[DeclaredLogin]:
    """Return the login of each client file: its own property, else KafkaClient of a JAAS file."""
    logins = []
    for client in files.clients:
        module = _client_module(files, client)
        if module:
            user, password = module.get("username"), module.get("password")
            mechanism = client.get("sasl.mechanism", "GSSAPI")
            logins.append(DeclaredLogin(user, password, mechanism, module, client.file))
    return logins


def _client_module(files: Files, client: Properties) -> JaasModule | None:
    if client.entry(JAAS):
        entries = jaas_properties(client)
        return next((entry.module for entry in entries if entry.entry.key.text == JAAS), None)
    shared = files.contexts("KafkaClient")
    uses_sasl = client.get("security.protocol").startswith("SASL")
    return shared[0].modules[0] if uses_sasl and shared and shared[0].modules else None


def server_modules(files: Files) -> list[JaasModule]:
    """Return the brokers' login modules: of KafkaServer contexts, then of properties."""
    modules = [
        module
        for file in files.jaas
        for context in file.contexts
        if context.name == "KafkaServer" or context.name.endswith(".KafkaServer")
        for module in context.modules
    ]
    entries = [entry for server in files.servers for entry in jaas_properties(server)]
    return modules + [entry.module for entry in entries if entry.module]


def inter_broker_logins(files: Files) -> list[DeclaredLogin]:
    """Return the brokers' logins to each other."""
    mechanism = next((broker_mechanism(server) for server in files.servers), "")
    return [
        DeclaredLogin(
            module.get("username"),
            module.get("password"),
            mechanism,
            module,
            module.position.file,
        )
        for module in server_modules(files)
        if mechanism and module.option("username")
    ]


def broker_mechanism(server: Properties) -> str:
    """Return the mechanism between brokers; empty if they do not use SASL."""
    uses_sasl = server.get("security.inter.broker.protocol")[:4] == "SASL"
    if not uses_sasl and not server.entry("inter.broker.listener.name"):
        return ""
    return server.get("sasl.mechanism.inter.broker.protocol", "GSSAPI")


def enabled_mechanisms(server: Properties) -> list[str]:
    """Return the mechanisms that any listener of the server accepts, in the file's order."""
    texts = [server.get(key) for key in server.plain() if key.endswith("sasl.enabled.mechanisms")]
    mechanisms = dict.fromkeys(name for text in texts for name in items(text))
    return list(mechanisms) or ["GSSAPI"]


@dataclass(frozen=True)
class CreatedUser:
    """A SCRAM user that a script creates, for one mechanism."""

    user: str
    mechanism: str
    password: str
    iterations: int
    position: Position


def created_users(files: Files) -> list[CreatedUser]:
    """Return the users that scripts create, in the scripts' order.

    Commands are `kafka-configs --add-config` and `kafka-storage format --add-scram`.
    """
    users: list[CreatedUser] = []
    for command in files.commands("kafka-configs"):
        for user in command.values("--entity-name", "--user"):
            for text in command.values("--add-config"):
                users.extend(_users_in(user, text, command.position))
    for command in files.commands("kafka-storage"):
        for text in command.values("--add-scram", "-S"):
            users.extend(_users_in("", text, command.position))
    return users


def _users_in(user: str, text: str, position: Position) -> Iterator[CreatedUser]:
    for mechanism, credential in _SCRAM_CREDENTIAL.findall(text):
        fields = dict(field.partition("=")[::2] for field in credential.split(","))
        name = user or fields.get("name", "")
        iterations = fields.get("iterations", "4096")
        number = int(iterations) if iterations.isdecimal() else 0
        yield CreatedUser(name, mechanism, fields.get("password", ""), number, position)


def plain_users(files: Files) -> dict[str, JaasOption]:
    """Return the `user_NAME` options of the brokers' PlainLoginModules, by user."""
    modules = [module for module in server_modules(files) if module.name == PLAIN]
    return {user: option for module in modules for user, option in module.users().items()}
