"""What users may do by the inventory's ACLs: as brokers judge it, without a broker.

What is denied stays so whatever allows it, and what nothing allows is denied (StandardAuthorizerData.authorize).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from provision.inventory.model.kafka_user import Acl
from provision.kafka.resources.desired import ROLES

Kind = Literal["topics", "groups"]


def is_allowed(acls: Iterable[Acl], kind: Kind, operation: str, name: str) -> bool | None:
    """Whether a user with these ACLs may; None where that depends on the address that it comes from."""
    about = [
        acl
        for acl in acls
        if operation in _operations(acl, kind)
        and any(_covers(pattern, name) for pattern in getattr(acl, kind))
    ]
    everywhere = [acl for acl in about if "*" in acl.hosts]
    if any(acl.permission == "deny" for acl in everywhere):
        return False
    if any(acl.permission == "deny" for acl in about):
        return None
    return True if everywhere else None if about else False


def _operations(acl: Acl, kind: Kind) -> frozenset[str]:
    if acl.role:
        return frozenset(ROLES[acl.role].get(kind, ()))
    return frozenset(("Read", "Write")) if "All" in acl.operations else frozenset(acl.operations)


def _covers(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def named(acls: Iterable[Acl], kind: Kind, operation: str) -> tuple[str, ...]:
    """The patterns with which these ACLs allow an operation, in their order, each once."""
    allowed = (
        acl for acl in acls if acl.permission == "allow" and operation in _operations(acl, kind)
    )
    return tuple(dict.fromkeys(pattern for acl in allowed for pattern in getattr(acl, kind)))
