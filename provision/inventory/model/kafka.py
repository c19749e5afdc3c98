"""The model of the variable `kafka`: a cluster of brokers behind a front end."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from provision.inventory.model.kafka_topic import KafkaTopic, Scalar, TopicName
from provision.inventory.model.kafka_user import KafkaSecret, KafkaUser
from provision.inventory.model.service import Hosts
from provision.inventory.model.text import (
    FilePath,
    Identifier,
    Model,
    Port,
    Word,
    as_field,
    as_list,
    mistake,
)

Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]

GENERATED = "generated"
"""The value of `tls` with which hactl makes the certificates itself, the CA included."""

PEM = "-----BEGIN "
"""Start of a text in PEM (RFC 7468); any other text is a file name."""

CLUSTER_ID = r"[A-Za-z0-9_-]{22}"
"""A UUID in URL-safe base64 without padding (Kafka's Uuid.toString)."""


class Distribution(Model):
    """Source of a broker's jars: either an archive or a folder."""

    archive: Annotated[str, Field(pattern=r"^(https?://|/)[^\s\"'$\\`]+$")] | None = None
    """Official archive (`kafka_2.13-VERSION.tgz`): a URL or a path on the broker."""
    sha512: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] | None = None
    """SHA-512 digest of the archive. Without it nothing is unpacked."""
    jars: FilePath | None = None
    """Folder on the broker with all jars."""

    @model_validator(mode="after")
    def _single_source(self) -> Distribution:
        if (self.archive is None) == (self.jars is None):
            raise mistake(
                "kafka-distribution",
                "`distribution` needs either `archive` or `jars`",
                "the jars come from a single source",
                "keep one of the two",
            )
        if (self.archive is None) != (self.sha512 is None):
            raise mistake(
                "kafka-distribution",
                "`archive` and `sha512` go together",
                "hactl does not run an archive without checking it",
                "copy the digest from the archive's `.sha512` file",
            )
        return self


def _pem(label: str) -> AfterValidator:
    """The validator for a text in PEM with a block of this label, or for a file name.

    Its messages never repeat the text: it may be a key.
    """

    def check(value: str) -> str:
        if PEM in value and not re.search(rf"-----BEGIN ([A-Z]+ )*{label}-----", value):
            raise mistake(
                "kafka-ca",
                f"this text in PEM holds no {label.lower()}",
                "",
                "paste the file as it is",
            )
        if PEM not in value and (not value or "\n" in value or "\0" in value):
            raise mistake(
                "kafka-ca",
                "this is neither a text in PEM nor the name of a file",
                "",
                "paste the file as it is",
            )
        return value

    return AfterValidator(check)


class KafkaTls(Model):
    """Source of the certificates: `certificates` alone (a plain word means it), or a CA's `ca` and
    `key`."""

    certificates: str | None = None
    """`generated`: the first deploy makes a CA and keeps it in ~/.local/state/hactl/kafka/NAME. Any
    other word: a folder beside the inventory with `ca.pem` and a file `HOST.pem` for every host,
    which holds its key and its chain."""
    ca: Annotated[str, _pem("CERTIFICATE")] | None = None
    """Certificate of the signing CA: a text in PEM, or a file beside the inventory. Further
    certificates in it are trusted, too."""
    key: Annotated[str, _pem("PRIVATE KEY")] | None = None
    """The CA's private key (EC or RSA, not encrypted with a password): a text in PEM, preferably as
    `!vault`, or a file."""

    @property
    def signs(self) -> bool:
        """Whether hactl signs the certificates itself."""
        return self.ca is not None or self.certificates == GENERATED

    @model_validator(mode="after")
    def _single_source(self) -> KafkaTls:
        if (self.certificates is None) == (self.ca is None) or (self.ca is None) != (
            self.key is None
        ):
            raise mistake(
                "kafka-ca",
                "`tls` needs `generated`, a folder, or both `ca` and `key`",
                "certificates come from a single source",
                "keep one of the three",
            )
        return self


class ZooKeeper(Model):
    """The ensemble that keeps the metadata of a cluster in ZooKeeper mode."""

    hosts: Hosts
    """The members: a group, a host, or a list of these. Every member needs a `zookeeper_id`."""
    password: KafkaSecret
    """Password of the brokers at the ensemble (SASL, DIGEST-MD5)."""
    quorum_password: KafkaSecret
    """Password of the members among each other (`quorum.auth.*`)."""
    port: Port = 2181
    """Client port."""
    peer_port: Port = 2888
    """Port on which followers reach the leader."""
    election_port: Port = 3888
    """Port for the election of the leader."""
    heap: Annotated[str, Field(pattern=r"^[1-9]\d*[mg]$")] = "128m"
    """Heap of a member, written as for Java's -Xmx."""


class Kafka(Model):
    """A Kafka cluster. Its brokers are the real servers of a front end, at which clients
    bootstrap."""

    name: Identifier = "kafka"
    """Name of the cluster; hactl derives the cluster id from it."""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    """Version of Kafka: 3.9 or 4.x."""
    mode: Literal["kraft", "zookeeper"] = "kraft"
    """Storage of the metadata: Kafka's own controllers, or ZooKeeper (3.9 only)."""
    cluster_id: Annotated[str, Field(pattern=rf"^{CLUSTER_ID}$")] | None = None
    """KRaft: id of an existing cluster. Absent: derived from `name`."""
    brokers: Hosts
    """The brokers: a group, a host, or a list of these. Every broker needs a `kafka_id`."""
    controllers: Annotated[tuple[Word, ...], BeforeValidator(as_list)] = ()
    """KRaft: the voters of the metadata quorum. Absent: every broker is a controller, too."""
    zookeeper: ZooKeeper | None = None
    """The ZooKeeper ensemble, in ZooKeeper mode."""
    distribution: Distribution
    """Source of the jars."""
    port: Port = 9092
    """Port of the listener for clients and other brokers."""
    controller_port: Port = 9093
    """KRaft: port of the controllers."""
    bootstrap: Word | None = None
    """Host name that clients bootstrap with, for the certificates. They contain the VIPs anyway."""
    mechanisms: Annotated[tuple[Mechanism, ...], BeforeValidator(as_list), Field(min_length=1)] = (
        "SCRAM-SHA-512",
    )
    """SASL mechanisms of the listener. Brokers use the first one among themselves
    (`sasl.enabled.mechanisms`)."""
    admin: Identifier = "admin"
    """User of the brokers and controllers themselves: a super user."""
    super_users: Annotated[tuple[Identifier, ...], BeforeValidator(as_list)] = ()
    """Further users, besides `admin`, with all rights, whom controllers accept as well
    (`super.users`). During a change of the admin, name the next admin here, later the former
    one."""
    users: Annotated[dict[Identifier, KafkaUser], Field(min_length=1)]
    """Users by name."""
    topics: dict[TopicName, KafkaTopic] = Field(default_factory=dict)
    """Topics by name."""
    tls: Annotated[KafkaTls, as_field("certificates")] | None = None
    """Source of the certificates: `generated`, a folder, or a CA. Absent: no TLS."""
    heap: Annotated[str, Field(pattern=r"^[1-9]\d*[mg]$")] = "1g"
    """Heap of a broker, written as for Java's -Xmx."""
    data: Annotated[tuple[FilePath, ...], BeforeValidator(as_list), Field(min_length=1)] = (
        "/var/lib/kafka",
    )
    """Folders for the logs, preferably one on every disk (`log.dirs`)."""
    properties: dict[str, Scalar] = Field(default_factory=dict)
    """Further broker properties by Kafka's names. hactl checks their names, types and ranges."""

    @property
    def kraft(self) -> bool:
        """Whether Kafka's controllers keep the metadata."""
        return self.mode == "kraft"

    @property
    def all_super_users(self) -> tuple[str, ...]:
        """The admin and the other super users."""
        return tuple(dict.fromkeys((self.admin, *self.super_users)))

    @property
    def scram(self) -> tuple[str, ...]:
        """The SCRAM mechanisms of the listener."""
        return tuple(mechanism for mechanism in self.mechanisms if mechanism != "PLAIN")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The parts of the version as numbers."""
        return tuple(map(int, self.version.split(".")))

    @model_validator(mode="after")
    def _consistent_mode(self) -> Kafka:
        if not (3, 9) <= self.numbers < (5,):
            raise mistake(
                "kafka-version",
                f"Kafka {self.version} is not known",
                "the roles and checks support 3.9 and 4.x",
                "use a supported version",
            )
        if self.mode == "zookeeper" and self.numbers >= (4,):
            raise mistake(
                "kafka-version",
                f"Kafka {self.version} has no ZooKeeper mode",
                "4.0 took it out (KIP-833)",
                "set `mode: kraft`, or use 3.9",
            )
        if (self.mode == "zookeeper") != (self.zookeeper is not None):
            raise mistake(
                "kafka-mode",
                "`zookeeper` belongs to `mode: zookeeper`, and only there",
                "a cluster keeps its metadata in a single place",
                "correct one of the two",
            )
        if self.mode == "zookeeper" and (self.controllers or self.cluster_id):
            raise mistake(
                "kafka-mode",
                "in ZooKeeper mode there are neither `controllers` nor a `cluster_id`",
                "ZooKeeper elects the controller and keeps the id",
                "leave them out",
            )
        return self

    @model_validator(mode="after")
    def _known_super_users(self) -> Kafka:
        if self.admin not in self.users:
            raise mistake(
                "kafka-admin",
                f"`users` has no `{self.admin}`",
                "the brokers log in to each other as that user",
                "add that user with a password, or name another user as `admin`",
            )
        for name in self.super_users:
            if name not in self.users:
                raise mistake(
                    "kafka-admin",
                    f"`users` has no `{name}`",
                    "controllers know super users by their passwords",
                    "give the user a password, or remove it from `super_users`",
                )
        return self
