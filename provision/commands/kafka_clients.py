"""`hactl kafka clients`: write the login files of each user's clients.

`USER.producer.conf` and `USER.consumer.conf` are for Java and need no other file.
`USER.librdkafka.conf` and `USER.py` (confluent-kafka, kafka-python) name `ca.pem` beside them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from provision.commands.options import (
    InventoryPath,
    load,
)
from provision.core.errors import HactlError, UsageError
from provision.deploy.project import Project
from provision.desired.kafka_tls import trusted
from provision.desired.kafka_variables import listener
from provision.formats import endpoint, jaas, properties
from provision.inventory.kafka import KafkaCluster
from provision.kafka.client_file import MECHANISMS
from provision.kafka.resources.authorizer import allowed_patterns
from provision.kafka.ssh_tunnel import cluster_of

CA = "ca.pem"


@dataclass(frozen=True)
class ClientLogin:
    """The settings of a user's client; `group` is empty where no ACL names a group."""

    user: str
    password: str
    bootstrap: tuple[str, ...]
    protocol: str
    mechanism: str
    ca: str
    group: str


def clients(project: Project, out: Path, users: Sequence[str]) -> None:
    """Write the files of these users into a private folder; default: all users but super users.

    Raises:
        UsageError: there is no such user, or other users may read the folder.
        HactlError: no front end has a broker behind it, or the folder cannot be written.
        InputError: a certificate cannot be read.
    """
    cluster = cluster_of(project)
    unknown = [user for user in users if user not in cluster.model.users]
    if unknown:
        raise UsageError(
            f"kafka clients: there is no user {unknown[0]}",
            f"the users are {', '.join(cluster.model.users)}",
        )
    chosen = users or [
        user for user in cluster.model.users if user not in cluster.model.all_super_users
    ]
    if not chosen:
        raise UsageError(
            "kafka clients: the inventory has super users only", "name a user with --user"
        )
    contents: dict[str, bytes] = {}
    for user in chosen:
        contents |= files(_client(project, cluster, user), out.absolute())
    write(out, contents)
    names = ", ".join(chosen)
    print(f"{len(contents)} files for {names} in {out}, readable for you only: they have passwords")


def _client(project: Project, cluster: KafkaCluster, user: str) -> ClientLogin:
    model = cluster.model
    names = cluster.bootstraps(project.topology.frontends)
    if not names:
        raise HactlError(
            "no front end has a broker behind it: "
            "a client would have no address that outlives a broker",
            "add a service with the brokers as `real_servers:`",
        )
    ca = trusted(cluster) if cluster.certificates else ""
    bootstrap = tuple(endpoint.join(name, model.port) for name in names)
    return ClientLogin(
        user,
        model.users[user].password,
        bootstrap,
        listener(cluster),
        model.mechanisms[0],
        ca,
        group(cluster, user),
    )


def group(cluster: KafkaCluster, user: str) -> str:
    """A group that the user's ACLs allow: the first that they name, else one with their prefix."""
    patterns = allowed_patterns(cluster.model.users[user].acls, "groups", "Read")
    exact = [pattern for pattern in patterns if not pattern.endswith("*")]
    return next(iter(exact), f"{patterns[0][:-1]}{user}" if patterns else "")


def files(client: ClientLogin, folder: Path) -> dict[str, bytes]:
    """A user's files by name, for `folder`; the same inventory gives the same files."""
    contents = {
        f"{client.user}.producer.conf": _java(client, {"acks": "all"}),
        f"{client.user}.consumer.conf": _java(client, _group(client, "group.id")),
        f"{client.user}.librdkafka.conf": _librdkafka(client, folder / CA),
        f"{client.user}.py": _python(client),
    }
    return contents | ({CA: client.ca.encode()} if client.ca else {})


def _group(client: ClientLogin, key: str) -> dict[str, str]:
    return {key: client.group} if client.group else {}


def _java(client: ClientLogin, settings: Mapping[str, properties.Value]) -> bytes:
    """A file for Java's clients.

    `rebootstrap`: when no known broker answers, the client asks the VIP again (KIP-899, since 3.8).
    `use_all_dns_ips`: the client tries every address of the bootstrap name (KIP-302).
    """
    login = jaas.LoginModule(
        MECHANISMS[client.mechanism], {"username": client.user, "password": client.password}
    )
    trust = (
        {"ssl.truststore.type": "PEM", "ssl.truststore.certificates": client.ca}
        if client.ca
        else {}
    )
    return properties.write(
        {
            "bootstrap.servers": client.bootstrap,
            "client.dns.lookup": "use_all_dns_ips",
            "metadata.recovery.strategy": "rebootstrap",
            "security.protocol": client.protocol,
            "sasl.mechanism": client.mechanism,
            "sasl.jaas.config": jaas.property_value(login),
            **trust,
            **settings,
        }
    )


def _confluent(client: ClientLogin) -> dict[str, str]:
    """Settings by librdkafka's names, known to every version: an unknown setting stops a client.

    `metadata.recovery.strategy` is left out; its default in newer versions is the needed value.
    """
    return {
        "bootstrap.servers": ",".join(client.bootstrap),
        "client.dns.lookup": "use_all_dns_ips",
        "security.protocol": client.protocol,
        "sasl.mechanism": client.mechanism,
        "sasl.username": client.user,
        "sasl.password": client.password,
        **_group(client, "group.id"),
    }


def _librdkafka(client: ClientLogin, ca: Path) -> bytes:
    """One setting a line, as `kcat -F` reads it. No value is escaped: passwords need no escapes."""
    settings = _confluent(client) | ({"ssl.ca.location": str(ca)} if client.ca else {})
    for value in settings.values():
        if "\n" in value or value != value.strip():
            raise HactlError(
                f"librdkafka cannot read {value!r} on one line", "choose another folder"
            )
    return "".join(f"{key}={value}\n" for key, value in settings.items()).encode()


def _kafka_python(client: ClientLogin) -> dict[str, object]:
    """Settings by the names of kafka-python 2 and 3."""
    return {
        "bootstrap_servers": list(client.bootstrap),
        "security_protocol": client.protocol,
        "sasl_mechanism": client.mechanism,
        "sasl_plain_username": client.user,
        "sasl_plain_password": client.password,
    }


def _python(client: ClientLogin) -> bytes:
    """A module with a mapping for each of the two libraries."""
    names = "CONFLUENT_KAFKA and KAFKA_PYTHON, and GROUP for consumers"
    lines = [f'"""How {client.user} logs in to Kafka: {names}."""', ""]
    lines += (
        ["from pathlib import Path", "", f'CA = str(Path(__file__).with_name("{CA}"))']
        if client.ca
        else []
    )
    lines += [f"GROUP = {client.group!r}", ""]
    lines += _mapping("CONFLUENT_KAFKA", _confluent(client), "ssl.ca.location" if client.ca else "")
    lines += [
        "",
        *_mapping("KAFKA_PYTHON", _kafka_python(client), "ssl_cafile" if client.ca else ""),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def _mapping(name: str, settings: Mapping[str, object], ca: str) -> Iterator[str]:
    yield f"{name} = {{"
    yield from (f"    {key!r}: {value!r}," for key, value in settings.items())
    yield from (f"    {ca!r}: CA,",) if ca else ()
    yield "}"


def write(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files into a folder that only its owner may enter.

    Each file is replaced atomically, and no link is followed.

    Raises:
        UsageError: the folder is a link, belongs to another user, or is open to other users.
        HactlError: the folder cannot be written.
    """
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise UsageError(
            f"--out {out}: {error.strerror}", "name a folder, or a folder that does not exist yet"
        ) from None
    try:
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise UsageError(
                f"--out {out}: other users may read it", f"chmod 700 {out}, or name another folder"
            )
        for name, data in contents.items():
            _replace(folder, name, data)
    except OSError as error:
        raise HactlError(f"{out} cannot be written: {error.strerror}") from None
    finally:
        os.close(folder)


def _replace(folder: int, name: str, data: bytes) -> None:
    """Replace a file of the folder atomically."""
    staged = f".{name}.{os.getpid()}"
    file = os.open(
        staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder
    )
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(data)
        os.rename(staged, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(staged, dir_fd=folder)
        raise


def command(
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="The folder to write to; only you may enter it.")
    ],
    inventory: InventoryPath = None,
    user: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER",
            help="Write only this user's files; may be repeated. Default: all but super users.",
        ),
    ] = None,
) -> None:
    """Write the login files of each user's clients.

    The files are for Java (producer.conf, consumer.conf), librdkafka and Python.
    They have the passwords and the certificate of the CA."""
    clients(load(inventory), out, user or [])
