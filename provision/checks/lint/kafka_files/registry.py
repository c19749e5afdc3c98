"""The files of `hactl kafka lint` by kind, and the registry of the rules about them."""

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
"""The maximum size of a configuration file."""

_SCRIPT = re.compile(
    r"^#!|^\s*(\S*/)?(kafka|zookeeper)-[a-z-]+\.sh\b|^\s*export\s+\w+=", re.MULTILINE
)
_JAAS = re.compile(r"^\s*[\w.$-]+\s*\{", re.MULTILINE)
#: Kinds of properties files, with the pattern of keys and that of file names that show them.
_SETTINGS: tuple[tuple[Kind, re.Pattern[str], str], ...] = (
    (
        "zookeeper",
        re.compile(
            r"tickTime|dataDir|dataLogDir|initLimit|syncLimit|clientPort|server\.\d+|"
            r"authProvider\..*"
        ),
        "zoo",
    ),
    (
        "server",
        re.compile(
            r"broker\.id|node\.id|process\.roles|(advertised\.)?listeners|log\.dirs?|"
            r"zookeeper\.connect|controller\..*"
        ),
        "server",
    ),
    (
        "client",
        re.compile(
            r"bootstrap\.servers|security\.protocol|sasl\..*|ssl\..*|group\.id|acks|"
            r"(key|value)\..*serializer"
        ),
        "client|producer|consumer|admin",
    ),
)


@dataclass(frozen=True)
class Files:
    """All files of one run, by kind.

    `broken` are the problems of files that Java cannot read at all. `names` are all paths.
    """

    servers: tuple[Properties, ...] = ()
    clients: tuple[Properties, ...] = ()
    zookeepers: tuple[Properties, ...] = ()
    jaas: tuple[JaasFile, ...] = ()
    scripts: tuple[ShellScript, ...] = ()
    broken: tuple[Problem, ...] = ()
    names: tuple[str, ...] = ()

    def contexts(self, name: str) -> list[Context]:
        """Return every context of that name in the JAAS files."""
        return [context for file in self.jaas for context in file.contexts if context.name == name]

    def commands(self, *tools: str) -> list[Command]:
        """Return every command of the scripts that runs one of these tools, in their order."""
        return [
            command
            for script in self.scripts
            for command in script.commands
            if command.tool in tools
        ]

    def settings(self) -> list[tuple[Kind, Properties]]:
        """Return all properties files with their kind."""
        return [
            *(("server", file) for file in self.servers),
            *(("client", file) for file in self.clients),
            *(("zookeeper", file) for file in self.zookeepers),
        ]


KAFKA: Registry[Files] = Registry()
rule = KAFKA.rule


def number(file: Properties, key: str, default: int) -> int:
    """Return an integer; the default if the value is not an integer (rule `value-type`)."""
    text = file.get(key, str(default))
    return int(text) if re.fullmatch(r"[+-]?\d{1,19}", text) else default


def flag(file: Properties, key: str, default: bool) -> bool:
    """Return a boolean; upper and lower case are the same, as in Kafka."""
    return file.get(key, str(default)).lower() == "true"


def items(text: str) -> list[str]:
    """Return the items of a comma-separated list, without empty ones."""
    return [item for item in (part.strip() for part in text.split(",")) if item]


def first_entry(file: Properties, *keys: str) -> Entry | None:
    """Return the entry of the first of these keys that is set; None if no key is set."""
    return next((entry for key in keys if (entry := file.entry(key))), None)


def read(paths: Iterable[Path]) -> Files:
    """Read the files and determine their kinds.

    Raises:
        UsageError: a file cannot be read, or is larger than 1 MiB.
    """
    files = Files()
    for path in paths:
        files = add(files, str(path), _read_bytes(path))
    return files


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"kafka lint: {path}: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"kafka lint: {path} is larger than 1 MiB, too large for a configuration file"
        )
    return data


def add(files: Files, name: str, data: bytes) -> Files:
    """Return `files` with one more file."""
    changes: dict[str, object] = {"names": (*files.names, name)}
    try:
        match kind(name, data):
            case "script":
                changes["scripts"] = (*files.scripts, shell.read(data, name))
            case "jaas":
                changes["jaas"] = (*files.jaas, jaas_file.read(data, name))
            case settings_kind:
                group = f"{settings_kind}s"
                changes[group] = (*getattr(files, group), properties.read(data, name))
    except InputError as error:
        changes["broken"] = (*files.broken, *error.problems)
    return Files(**{**vars(files), **changes})


def kind(name: str, data: bytes) -> Kind:
    """Return the kind of a file, by its content, else by its name.

    Raises:
        InputError: neither the content nor the name shows the kind.
    """
    text, short = data.decode("latin-1"), name.rsplit("/", 1)[-1].lower()
    if short.endswith((".sh", ".bash")) or _SCRIPT.search(text):
        return "script"
    if _JAAS.search(text):
        return "jaas"
    keys = [key.strip() for key in properties.read(data, name).plain()]
    for settings_kind, key_pattern, _ in _SETTINGS:
        if any(key_pattern.fullmatch(key) for key in keys):
            return settings_kind
    for settings_kind, _, name_pattern in _SETTINGS:
        if re.search(name_pattern, short):
            return settings_kind
    what = "is neither properties of a broker, a client or ZooKeeper, nor a JAAS file, nor a script"
    raise InputError([Problem(Position(name), "file-unreadable", what, "", "leave it out")])
