"""The typed, frozen model of a Kafka user: its password, what it may do, how much it may use."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from provision.inventory.model.text import Flag, Integer, Model, as_list, mistake

Operation = Literal[
    "All",
    "Read",
    "Write",
    "Create",
    "Delete",
    "Alter",
    "Describe",
    "ClusterAction",
    "DescribeConfigs",
    "AlterConfigs",
    "IdempotentWrite",
]

SUPPORTED: dict[str, tuple[str, ...]] = {
    "topics": (
        "All",
        "Read",
        "Write",
        "Create",
        "Describe",
        "Delete",
        "Alter",
        "DescribeConfigs",
        "AlterConfigs",
    ),
    "groups": ("All", "Read", "Describe", "Delete", "DescribeConfigs", "AlterConfigs"),
    "transactional_ids": ("All", "Describe", "Write"),
    "cluster": (
        "All",
        "Create",
        "ClusterAction",
        "DescribeConfigs",
        "AlterConfigs",
        "IdempotentWrite",
        "Alter",
        "Describe",
    ),
}
"""What can be allowed or denied on what (AclEntry.supportedOperations at 4.1.0, but for TwoPhaseCommit). Brokers take
any pair, and never ask for the others; those before 4.0 do not ask for a group's configuration either."""

ROLES: dict[str, tuple[str, ...]] = {
    "producer": ("topics", "transactional_ids", "idempotent"),
    "consumer": ("topics", "groups"),
    "admin": ("topics", "groups", "cluster"),
}
"""What may stand beside each role."""

_RESOURCES = (*SUPPORTED, "idempotent")


def _password(value: str) -> str:
    if not re.fullmatch(r"[!#-+.-\[\]-~-]{1,256}", value):
        raise mistake(
            "kafka-password",
            "this password holds a blank, a comma, a double quote, a backslash or what is not ASCII",
            "properties, JAAS, StorageTool and SASL's mechanisms read these differently",
            "choose another, up to 256 characters",
        )
    if "${" in value:
        raise mistake(
            "kafka-password",
            "this password holds `${`",
            "Java replaces that in a JAAS file",
            "choose another",
        )
    return value


def _named(pattern: str, fix: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise mistake(
                "kafka-acl-name", f"{value[:60]!a} names nothing that there can be", "", fix
            )
        return value

    return AfterValidator(check)


def _host(value: str) -> str:
    try:
        return value if value == "*" else str(ipaddress.ip_address(value))
    except ValueError:
        raise mistake(
            "not-an-address",
            f"{value[:60]!a} is not an IP address",
            "brokers compare addresses, never names",
            "write an address, or `*`",
        ) from None


KafkaSecret = Annotated[str, AfterValidator(_password)]
TopicPattern = Annotated[
    str,
    _named(
        r"[A-Za-z0-9._-]{1,249}\*?|\*",
        "use letters, digits, `.`, `_` and `-`; a `*` only at the end",
    ),
]
Host = Annotated[str, AfterValidator(_host)]
NamePattern = Annotated[
    str, _named(r"[!-)+-~]{1,249}\*?|\*", "leave out blanks; a `*` only at the end")
]
Rate = Annotated[Integer, Field(ge=1)]


class Acl(Model):
    """What a user may or may not do: a `role`, or `operations` by Kafka's names, on what is named beside it.

    A name that ends with `*` stands for all that begin so, `*` alone for all there are.
    """

    role: Literal["producer", "consumer", "admin"] | None = None
    """The operations that such a user needs, instead of `operations` (hactl)."""
    operations: Annotated[tuple[Operation, ...], BeforeValidator(as_list)] = ()
    """Operations by Kafka's names."""
    permission: Literal["allow", "deny"] = "allow"
    """Whether `operations` are allowed or denied; what is denied stays so whatever allows it."""
    topics: Annotated[tuple[TopicPattern, ...], BeforeValidator(as_list)] = ()
    """Topics."""
    groups: Annotated[tuple[NamePattern, ...], BeforeValidator(as_list)] = ()
    """Consumer groups."""
    transactional_ids: Annotated[tuple[NamePattern, ...], BeforeValidator(as_list)] = ()
    """Producers, by their `transactional.id`."""
    cluster: Flag = False
    """The cluster as a whole."""
    idempotent: Flag = False
    """A producer that names no `transactional.id` may write idempotently. Brokers before 3.0 ask for it."""
    hosts: Annotated[tuple[Host, ...], BeforeValidator(as_list), Field(min_length=1)] = ("*",)
    """Addresses that the user comes from; `*` is any."""

    @model_validator(mode="after")
    def _consistent(self) -> Acl:
        if (self.role is None) == (not self.operations):
            raise mistake(
                "kafka-acl",
                "this needs either `role` or `operations`",
                "it says nothing else of what may be done",
                "keep one of the two",
            )
        for what, why, fix in self._role_problems() if self.role else self._operation_problems():
            raise mistake("kafka-acl", what, why, fix)
        return self

    def named(self, kind: str) -> bool:
        """Whether anything of a kind (`topics`, `groups`, …) is named."""
        return bool(getattr(self, kind))

    def _role_problems(self) -> Iterator[tuple[str, str, str]]:
        role = str(self.role)
        if self.permission == "deny":
            yield (
                "`permission: deny` does not go with a role",
                "it would deny half of it only",
                "name `operations`",
            )
        for kind in _RESOURCES:
            if self.named(kind) and kind not in ROLES[role]:
                yield (
                    f"`{kind}` does not go with `role: {role}`",
                    "",
                    f"it takes {', '.join(ROLES[role])}",
                )
        needed = {"producer": ("topics",), "consumer": ("topics", "groups"), "admin": ()}[role]
        for kind in needed:
            if not self.named(kind):
                yield (
                    f"`role: {role}` needs `{kind}`",
                    f"without them there is no {role}",
                    f"add `{kind}:`",
                )
        if not any(map(self.named, _RESOURCES)):
            yield f"`role: {role}` is on nothing", "", "add `topics`, `groups` or `cluster: true`"

    def _operation_problems(self) -> Iterator[tuple[str, str, str]]:
        if self.idempotent:
            yield (
                "`idempotent` goes with `role: producer`",
                "",
                "name the operation IdempotentWrite, `cluster: true`",
            )
        if not any(map(self.named, SUPPORTED)):
            yield "these `operations` are on nothing", "", f"add one of {', '.join(SUPPORTED)}"
        for kind, supported in SUPPORTED.items():
            wrong = [each for each in self.operations if each not in supported]
            if self.named(kind) and wrong:
                why = f"Kafka never asks for it there, only for {', '.join(supported)}"
                yield (
                    f"there is no operation {wrong[0]} on `{kind}`",
                    why,
                    "make it two entries, or correct it",
                )


class Quotas(Model):
    """How much a user may use, on each broker; what is absent is not limited."""

    producer_byte_rate: Rate | None = None
    """Bytes a second that it may write."""
    consumer_byte_rate: Rate | None = None
    """Bytes a second that it may read."""
    request_percentage: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Time of the broker's request and network threads, in percent of one thread."""
    controller_mutation_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Partitions that it may make or delete a second, in all of the cluster."""


class KafkaUser(Model):
    """A user of the cluster."""

    password: KafkaSecret
    """Its password, from `!vault` or `!env`: printable ASCII without blanks, commas, double quotes and backslashes."""
    iterations: Annotated[Integer, Field(ge=4096, le=16384)] = 4096
    """How often SCRAM hashes the password."""
    acls: tuple[Acl, ...] = ()
    """What it may do. The `admin` may do everything and needs none."""
    quotas: Quotas = Field(default_factory=Quotas)
    """How much it may use."""
