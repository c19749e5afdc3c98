"""The model of a Kafka user: its password, its access rights and its quotas."""

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
"""The operations that Kafka supports for a resource (AclEntry.supportedOperations at 4.1.0, without
TwoPhaseCommit). Brokers accept any operation, but never ask for the others. Brokers before 4.0 do
not ask for a group's configuration either."""

ROLES: dict[str, tuple[str, ...]] = {
    "producer": ("topics", "transactional_ids", "idempotent"),
    "consumer": ("topics", "groups"),
    "admin": ("topics", "groups", "cluster"),
}
"""The resources that may stand beside a role."""

_RESOURCES = (*SUPPORTED, "idempotent")


def _checked_password(value: str) -> str:
    if not re.fullmatch(r"[!#-+.-\[\]-~-]{1,256}", value):
        raise mistake(
            "kafka-password",
            "this password holds a blank, a comma, a double quote, a backslash "
            "or a non-ASCII character",
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


def _name_pattern(pattern: str, fix: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise mistake("kafka-acl-name", f"{value[:60]!a} is not a valid name", "", fix)
        return value

    return AfterValidator(check)


def _checked_host(value: str) -> str:
    try:
        return value if value == "*" else str(ipaddress.ip_address(value))
    except ValueError:
        raise mistake(
            "not-an-address",
            f"{value[:60]!a} is not an IP address",
            "brokers compare addresses, never host names",
            "write an address, or `*`",
        ) from None


KafkaSecret = Annotated[str, AfterValidator(_checked_password)]
TopicPattern = Annotated[
    str,
    _name_pattern(
        r"[A-Za-z0-9._-]{1,249}\*?|\*",
        "use letters, digits, `.`, `_` and `-`; a `*` only at the end",
    ),
]
Host = Annotated[str, AfterValidator(_checked_host)]
NamePattern = Annotated[
    str, _name_pattern(r"[!-)+-~]{1,249}\*?|\*", "leave out blanks; a `*` only at the end")
]
Rate = Annotated[Integer, Field(ge=1)]


class Acl(Model):
    """An access rule of a user: a `role`, or `operations` by Kafka's names, on the resources beside
    it.

    A name that ends with `*` matches every name with that prefix; `*` alone matches every name.
    """

    role: Literal["producer", "consumer", "admin"] | None = None
    """Role of the user, in place of `operations`: the operations that the role needs (hactl)."""
    operations: Annotated[tuple[Operation, ...], BeforeValidator(as_list)] = ()
    """Operations by Kafka's names."""
    permission: Literal["allow", "deny"] = "allow"
    """Whether `operations` are allowed or denied. A denial overrides every allowance."""
    topics: Annotated[tuple[TopicPattern, ...], BeforeValidator(as_list)] = ()
    """Names of topics."""
    groups: Annotated[tuple[NamePattern, ...], BeforeValidator(as_list)] = ()
    """Names of consumer groups."""
    transactional_ids: Annotated[tuple[NamePattern, ...], BeforeValidator(as_list)] = ()
    """Producers, by their `transactional.id`."""
    cluster: Flag = False
    """The cluster as a whole."""
    idempotent: Flag = False
    """Allow idempotent writes without a `transactional.id`. Brokers before 3.0 ask for this
    right."""
    hosts: Annotated[tuple[Host, ...], BeforeValidator(as_list), Field(min_length=1)] = ("*",)
    """Source addresses of the user; `*` is any."""

    @model_validator(mode="after")
    def _consistent(self) -> Acl:
        if (self.role is None) == (not self.operations):
            raise mistake(
                "kafka-acl",
                "an entry needs either `role` or `operations`",
                "these two fields alone define the rights",
                "keep one of the two",
            )
        for message, why, fix in self._role_problems() if self.role else self._operation_problems():
            raise mistake("kafka-acl", message, why, fix)
        return self

    def named(self, kind: str) -> bool:
        """Whether the rule names a resource of this kind (`topics`, `groups`, …)."""
        return bool(getattr(self, kind))

    def _role_problems(self) -> Iterator[tuple[str, str, str]]:
        role = str(self.role)
        if self.permission == "deny":
            yield (
                "`permission: deny` does not go with a role",
                "it would deny only a part of the role",
                "name `operations`",
            )
        for kind in _RESOURCES:
            if self.named(kind) and kind not in ROLES[role]:
                yield (
                    f"`{kind}` does not go with `role: {role}`",
                    "",
                    f"use {', '.join(ROLES[role])}",
                )
        needed = {"producer": ("topics",), "consumer": ("topics", "groups"), "admin": ()}[role]
        for kind in needed:
            if not self.named(kind):
                yield (
                    f"`role: {role}` needs `{kind}`",
                    f"a {role} cannot work without them",
                    f"add `{kind}:`",
                )
        if not any(map(self.named, _RESOURCES)):
            yield (
                f"`role: {role}` names no resource",
                "",
                "add `topics`, `groups` or `cluster: true`",
            )

    def _operation_problems(self) -> Iterator[tuple[str, str, str]]:
        if self.idempotent:
            yield (
                "`idempotent` goes with `role: producer`",
                "",
                "name the operation IdempotentWrite, `cluster: true`",
            )
        if not any(map(self.named, SUPPORTED)):
            yield "these `operations` name no resource", "", f"add one of {', '.join(SUPPORTED)}"
        for kind, supported in SUPPORTED.items():
            unsupported = [name for name in self.operations if name not in supported]
            if self.named(kind) and unsupported:
                why = f"Kafka never asks for it there, only for {', '.join(supported)}"
                yield (
                    f"there is no operation {unsupported[0]} on `{kind}`",
                    why,
                    "write two entries, or correct it",
                )


class Quotas(Model):
    """Limits of a user's resources on every broker. An absent limit does not apply."""

    producer_byte_rate: Rate | None = None
    """Maximum bytes that the user writes in a second."""
    consumer_byte_rate: Rate | None = None
    """Maximum bytes that the user reads in a second."""
    request_percentage: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Maximum time of the broker's request and network threads, in percent of a thread."""
    controller_mutation_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Maximum partitions that the user creates or deletes in a second, in the whole cluster."""


class KafkaUser(Model):
    """A user of the Kafka cluster."""

    password: KafkaSecret
    """Password of the user, from `!vault` or `!env`: printable ASCII without blanks, commas, double
    quotes and backslashes."""
    iterations: Annotated[Integer, Field(ge=4096, le=16384)] = 4096
    """Number of SCRAM's hash iterations for the password."""
    acls: tuple[Acl, ...] = ()
    """Access rules of the user. The `admin` has all rights and needs none."""
    quotas: Quotas = Field(default_factory=Quotas)
    """Limits of the user's resources."""
