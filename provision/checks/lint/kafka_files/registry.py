"""The files given to `hactl kafka lint`, told apart, and the registry of the rules about them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provision.checks.lint.kafka_files import shell
from provision.checks.lint.kafka_files.shell import Command, ShellScript
from provision.checks.lint.registry import Registry
from provision.core.errors import InputError, Position, Problem, UsageError
from provision.formats import jaas_file, properties
from provision.formats.jaas import Context
from provision.formats.jaas_file import JaasFile
from provision.formats.properties import Entry, Properties

Kind = Literal["server", "client", "zookeeper", "jaas", "script"]
MAX_BYTES = 1 << 20

_SCRIPT = re.compile(
    r"^#!|^\s*(\S*/)?(kafka|zookeeper)-[a-z-]+\.sh\b|^\s*export\s+\w+=", re.MULTILINE
)
_JAAS = re.compile(r"^\s*[\w.$-]+\s*\{", re.MULTILINE)
_ZOOKEEPER = re.compile(
    r"tickTime|dataDir|dataLogDir|initLimit|syncLimit|clientPort|server\.\d+|authProvider\..*"
)
_SERVER = re.compile(
    r"broker\.id|node\.id|process\.roles|(advertised\.)?listeners|log\.dirs?|zookeeper\.connect|controller\..*"
)
_CLIENT = re.compile(
    r"bootstrap\.servers|security\.protocol|sasl\..*|ssl\..*|group\.id|acks|(key|value)\..*serializer"
)


@dataclass(frozen=True)
class Files:
    """All files of one run, by kind. `broken` is what Java could not read at all; `names` are all the paths."""

    servers: tuple[Properties, ...] = ()
    clients: tuple[Properties, ...] = ()
    zookeepers: tuple[Properties, ...] = ()
    jaas: tuple[JaasFile, ...] = ()
    scripts: tuple[ShellScript, ...] = ()
    broken: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()

    def contexts(self, name: str) -> list[Context]:
        """Every context of that name in the JAAS files."""
        return [context for file in self.jaas for context in file.contexts if context.name == name]

    def commands(self, *tools: str) -> list[Command]:
        """Every run of one of these tools in the scripts, in their order."""
        return [
            command
            for script in self.scripts
            for command in script.commands
            if command.tool in tools
        ]

    def settings(self) -> list[tuple[Kind, Properties]]:
        """All properties files."""
        return [
            *(("server", file) for file in self.servers),
            *(("client", file) for file in self.clients),
            *(("zookeeper", file) for file in self.zookeepers),
        ]


KAFKA: Registry[Files] = Registry()
rule = KAFKA.rule


def number(file: Properties, key: str, default: int) -> int:
    """A whole number; the default also where it is none, which a rule of its own names."""
    text = file.get(key, str(default))
    return int(text) if re.fullmatch(r"[+-]?\d{1,19}", text) else default


def flag(file: Properties, key: str, default: bool) -> bool:
    """A boolean, as Kafka takes it: in any case."""
    return file.get(key, str(default)).lower() == "true"


def items(text: str) -> list[str]:
    """A list in a property."""
    return [item for item in (part.strip() for part in text.split(",")) if item]


def last(file: Properties, *keys: str) -> Entry | None:
    """The entry of the first of these keys that is set."""
    return next((entry for key in keys if (entry := file.entry(key))), None)


def read(paths: Iterable[Path]) -> Files:
    """Read and tell apart the files.

    Raises:
        UsageError: a file cannot be read.
    """
    files = Files()
    for path in paths:
        files = add(files, str(path), _bytes(path))
    return files


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"kafka lint: {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"kafka lint: {path} is larger than 1 MiB: no configuration is")
    return data


def add(files: Files, name: str, data: bytes) -> Files:
    """The same with one more file."""
    changes: dict[str, object] = {"names": (*files.names, name)}
    try:
        match kind(name, data):
            case "script":
                changes["scripts"] = (*files.scripts, shell.read(data, name))
            case "jaas":
                changes["jaas"] = (*files.jaas, jaas_file.read(data, name))
            case other:
                group = f"{other}s"
                changes[group] = (*getattr(files, group), properties.read(data, name))
    except InputError as error:
        changes["broken"] = (*files.broken, *error.problems)
    return Files(**{**vars(files), **changes})


def kind(name: str, data: bytes) -> Kind:
    """What a file is, by its content, else by its name.

    Raises:
        InputError: neither tells.
    """
    text, short = data.decode("latin-1"), name.rsplit("/", 1)[-1].lower()
    if short.endswith((".sh", ".bash")) or _SCRIPT.search(text):
        return "script"
    if _JAAS.search(text):
        return "jaas"
    keys = properties.read(data, name).plain()
    for found, pattern in (("zookeeper", _ZOOKEEPER), ("server", _SERVER), ("client", _CLIENT)):
        if any(pattern.fullmatch(key.strip()) for key in keys):
            return found  # type: ignore[return-value]  # a literal of the line above
    named: dict[Kind, str] = {
        "zookeeper": "zoo",
        "server": "server",
        "client": "client|producer|consumer|admin",
    }
    by_name = next((found for found, pattern in named.items() if re.search(pattern, short)), None)
    if by_name:
        return by_name
    what = "is neither properties of a broker, a client or ZooKeeper, nor a JAAS file, nor a script"
    raise InputError([Problem(Position(name), "file-unreadable", what, "", "leave it out")])
