"""The typed, frozen model of the variable `kafka`: a cluster of brokers behind a front end."""

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
"""What a text in PEM begins with (RFC 7468); anything else is the name of a file."""

CLUSTER_ID = r"[A-Za-z0-9_-]{22}"
"""A UUID in URL-safe base64 without padding (Kafka's Uuid.toString)."""


class Distribution(Model):
    """Where a broker takes Kafka's jars from: an archive or a folder, one of the two."""

    archive: Annotated[str, Field(pattern=r"^(https?://|/)[^\s\"'$\\`]+$")] | None = None
    """Official archive (`kafka_2.13-VERSION.tgz`): a URL that the broker fetches it from, or a path there."""
    sha512: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")] | None = None
    """SHA-512 of the archive; without it nothing is unpacked."""
    jars: FilePath | None = None
    """Folder on the broker with all jars."""

    @model_validator(mode="after")
    def _one(self) -> Distribution:
        if (self.archive is None) == (self.jars is None):
            raise mistake(
                "kafka-distribution",
                "`distribution` needs either `archive` or `jars`",
                "the jars have one origin",
                "keep one of the two",
            )
        if (self.archive is None) != (self.sha512 is None):
            raise mistake(
                "kafka-distribution",
                "`archive` and `sha512` go together",
                "an archive nobody checked is not run",
                "copy the digest from the archive's `.sha512` file",
            )
        return self


def _pem(word: str) -> AfterValidator:
    """Takes a text in PEM that holds such a block, or the name of a file; the text of a key is never repeated."""

    def check(value: str) -> str:
        if PEM in value and not re.search(rf"-----BEGIN ([A-Z]+ )*{word}-----", value):
            raise mistake(
                "kafka-ca",
                f"this text in PEM holds no {word.lower()}",
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
    """Where certificates come from: `certificates` alone (a word stands for it), or `ca` and `key` of a CA."""

    certificates: str | None = None
    """`generated`: the first deploy makes a CA and keeps it in ~/.local/state/hactl/kafka/NAME. Else a folder beside
    the inventory with `ca.pem` and, for each host, `HOST.pem`: its key and its chain."""
    ca: Annotated[str, _pem("CERTIFICATE")] | None = None
    """Certificate of the CA that signs, in PEM, or a file beside the inventory. Further ones in it are trusted, too."""
    key: Annotated[str, _pem("PRIVATE KEY")] | None = None
    """The CA's private key (EC or RSA, not encrypted by a password of its own): PEM, best as `!vault`, or a file."""

    @property
    def signs(self) -> bool:
        """Whether hactl signs the certificates itself."""
        return self.ca is not None or self.certificates == GENERATED

    @model_validator(mode="after")
    def _one(self) -> KafkaTls:
        if (self.certificates is None) == (self.ca is None) or (self.ca is None) != (
            self.key is None
        ):
            raise mistake(
                "kafka-ca",
                "`tls` needs `generated`, a folder, or both `ca` and `key`",
                "certificates have one origin",
                "keep one of the three",
            )
        return self


class ZooKeeper(Model):
    """The ensemble that a cluster in ZooKeeper mode keeps its metadata in."""

    hosts: Hosts
    """Its members: a group, a host, or a list of these; each has a `zookeeper_id`."""
    password: KafkaSecret
    """What the brokers log in to the ensemble with (SASL, DIGEST-MD5)."""
    quorum_password: KafkaSecret
    """What the members log in to each other with (`quorum.auth.*`)."""
    port: Port = 2181
    """Client port."""
    peer_port: Port = 2888
    """Port on which followers reach the leader."""
    election_port: Port = 3888
    """Port of the leader's election."""
    heap: Annotated[str, Field(pattern=r"^[1-9]\d*[mg]$")] = "128m"
    """Heap of a member, as Java's -Xmx takes it."""


class Kafka(Model):
    """One Kafka cluster. Its brokers are the real servers of a front end, through which clients bootstrap."""

    name: Identifier = "kafka"
    """Name of the cluster; its id is made of it."""
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    """Version of Kafka: 3.9 or 4.x."""
    mode: Literal["kraft", "zookeeper"] = "kraft"
    """Where the metadata is: in Kafka's own controllers, or in ZooKeeper (3.9 only)."""
    cluster_id: Annotated[str, Field(pattern=rf"^{CLUSTER_ID}$")] | None = None
    """KRaft: id of a cluster that is there already. Absent: made of `name`."""
    brokers: Hosts
    """The brokers: a group, a host, or a list of these; each has a `kafka_id`."""
    controllers: Annotated[tuple[Word, ...], BeforeValidator(as_list)] = ()
    """KRaft: the voters of the metadata quorum. Absent: the brokers, each both at once."""
    zookeeper: ZooKeeper | None = None
    """The ensemble, in ZooKeeper mode."""
    distribution: Distribution
    """Where the jars come from."""
    port: Port = 9092
    """Port of the listener for clients and other brokers."""
    controller_port: Port = 9093
    """KRaft: port of the controllers."""
    bootstrap: Word | None = None
    """Name that clients bootstrap with, for the certificates. The VIPs are in them anyway."""
    mechanisms: Annotated[tuple[Mechanism, ...], BeforeValidator(as_list), Field(min_length=1)] = (
        "SCRAM-SHA-512",
    )
    """SASL mechanisms of the listener; brokers use the first among themselves (`sasl.enabled.mechanisms`)."""
    admin: Identifier = "admin"
    """The user of the brokers and controllers themselves: a super user."""
    super_users: Annotated[tuple[Identifier, ...], BeforeValidator(as_list)] = ()
    """Users beside `admin` that may do everything and that controllers let in as well: the next admin, while nodes go
    over to it, then the last one (`super.users`)."""
    users: Annotated[dict[Identifier, KafkaUser], Field(min_length=1)]
    """Users by name."""
    topics: dict[TopicName, KafkaTopic] = Field(default_factory=dict)
    """Topics by name."""
    tls: Annotated[KafkaTls, as_field("certificates")] | None = None
    """Where certificates come from: `generated`, a folder, or a CA. Absent: no TLS."""
    heap: Annotated[str, Field(pattern=r"^[1-9]\d*[mg]$")] = "1g"
    """Heap of a broker, as Java's -Xmx takes it."""
    data: Annotated[tuple[FilePath, ...], BeforeValidator(as_list), Field(min_length=1)] = (
        "/var/lib/kafka",
    )
    """Folders for the logs, best one a disk (`log.dirs`)."""
    properties: dict[str, Scalar] = Field(default_factory=dict)
    """Further broker properties by Kafka's names; name, type and range are checked."""

    @property
    def kraft(self) -> bool:
        """Whether Kafka keeps its metadata itself."""
        return self.mode == "kraft"

    @property
    def all_super_users(self) -> tuple[str, ...]:
        """The admin, and who else may do everything."""
        return tuple(dict.fromkeys((self.admin, *self.super_users)))

    @property
    def scram(self) -> tuple[str, ...]:
        """The SCRAM mechanisms of the listener."""
        return tuple(each for each in self.mechanisms if each != "PLAIN")

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(map(int, self.version.split(".")))

    @model_validator(mode="after")
    def _consistent(self) -> Kafka:
        if not (3, 9) <= self.numbers < (5,):
            raise mistake(
                "kafka-version",
                f"Kafka {self.version} is not known",
                "roles and checks are made for 3.9 and 4.x",
                "use one of these",
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
                "the metadata is in one place",
                "correct one of the two",
            )
        if self.mode == "zookeeper" and (self.controllers or self.cluster_id):
            raise mistake(
                "kafka-mode",
                "in ZooKeeper mode there are neither `controllers` nor a `cluster_id`",
                "ZooKeeper elects the controller and keeps the id",
                "leave them out",
            )
        if self.admin not in self.users:
            raise mistake(
                "kafka-admin",
                f"`users` has no `{self.admin}`",
                "the brokers log in to each other as that user",
                "give it a password, or name another user as `admin`",
            )
        for name in self.super_users:
            if name not in self.users:
                raise mistake(
                    "kafka-admin",
                    f"`users` has no `{name}`",
                    "controllers know super users by their passwords",
                    "give it one, or take it out of `super_users`",
                )
        return self
