"""The brokers' authorization rules, applied to the inventory's ACLs without a broker.

A deny overrides every allow; without an allow an operation is denied
(StandardAuthorizerData.authorize).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from provision.inventory.model.kafka_user import Acl
from provision.kafka.resources.desired import ROLES

Kind = Literal["topics", "groups"]


def is_allowed(acls: Iterable[Acl], kind: Kind, operation: str, name: str) -> bool | None:
    """Return whether these ACLs allow an operation; None if it depends on the client's address."""
    matching = [
        acl
        for acl in acls
        if operation in _operations(acl, kind)
        and any(_matches(pattern, name) for pattern in getattr(acl, kind))
    ]
    from_any_host = [acl for acl in matching if "*" in acl.hosts]
    if any(acl.permission == "deny" for acl in from_any_host):
        return False
    if any(acl.permission == "deny" for acl in matching):
        return None
    return True if from_any_host else None if matching else False


def _operations(acl: Acl, kind: Kind) -> frozenset[str]:
    if acl.role:
        return frozenset(ROLES[acl.role].get(kind, ()))
    return frozenset(("Read", "Write")) if "All" in acl.operations else frozenset(acl.operations)


def _matches(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def allowed_patterns(acls: Iterable[Acl], kind: Kind, operation: str) -> tuple[str, ...]:
    """Return the name patterns for which these ACLs allow an operation, without repetition."""
    allowed = (
        acl for acl in acls if acl.permission == "allow" and operation in _operations(acl, kind)
    )
    return tuple(dict.fromkeys(pattern for acl in allowed for pattern in getattr(acl, kind)))
