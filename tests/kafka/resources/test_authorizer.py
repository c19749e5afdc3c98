"""The authorization of users by their ACLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.inventory.model.kafka_user import Acl
from provision.kafka.resources.authorizer import allowed_patterns, is_allowed

NAMES = st.text("ab-", min_size=1, max_size=4)


def acl(**fields: object) -> Acl:
    """Return an entry of `acls`."""
    return Acl.model_validate(fields)


PRODUCER = acl(role="producer", topics="orders")
CONSUMER = acl(role="consumer", topics=["orders", "audit-*"], groups="billing")


def test_a_producer_writes_and_a_consumer_reads() -> None:
    assert is_allowed([PRODUCER], "topics", "Write", "orders") is True
    assert is_allowed([PRODUCER], "topics", "Read", "orders") is False
    assert is_allowed([CONSUMER], "topics", "Read", "orders") is True
    assert is_allowed([CONSUMER], "topics", "Write", "orders") is False
    assert is_allowed([CONSUMER], "groups", "Read", "billing") is True
    assert is_allowed([CONSUMER], "groups", "Read", "billing2") is False


def test_a_star_at_the_end_is_a_prefix_and_a_star_alone_is_any_name() -> None:
    assert is_allowed([CONSUMER], "topics", "Read", "audit-log") is True
    assert is_allowed([CONSUMER], "topics", "Read", "audit") is False
    assert is_allowed([acl(operations="Read", topics="*")], "topics", "Read", "anything") is True


def test_a_deny_overrides_every_allow() -> None:
    denied = acl(operations="Read", topics="audit-*", permission="deny")
    assert is_allowed([CONSUMER, denied], "topics", "Read", "audit-log") is False
    assert is_allowed([denied, CONSUMER], "topics", "Read", "orders") is True


def test_an_admin_manages_topics_but_can_neither_read_nor_write_them() -> None:
    admin = acl(role="admin", topics="*", groups="*")
    assert (
        is_allowed([admin], "topics", "Read", "orders")
        is is_allowed([admin], "topics", "Write", "orders")
        is False
    )
    assert is_allowed([admin], "groups", "Read", "billing") is True


def test_all_is_every_operation() -> None:
    assert is_allowed([acl(operations="All", topics="orders")], "topics", "Write", "orders") is True
    assert (
        is_allowed(
            [PRODUCER, acl(operations="All", topics="orders", permission="deny")],
            "topics",
            "Write",
            "orders",
        )
        is False
    )


@pytest.mark.parametrize("permission", ["allow", "deny"])
def test_if_it_depends_on_the_clients_address_the_result_is_unknown(permission: str) -> None:
    one_host = acl(operations="Write", topics="orders", permission=permission, hosts="192.0.2.7")
    assert is_allowed([one_host], "topics", "Write", "orders") is None
    assert is_allowed([one_host], "topics", "Write", "other") is False


def test_an_additional_allow_for_an_address_changes_nothing() -> None:
    one_host = acl(operations="Write", topics="orders", hosts="192.0.2.7")
    assert is_allowed([one_host, PRODUCER], "topics", "Write", "orders") is True


def test_allowed_patterns_are_in_their_order_without_repetition() -> None:
    more = acl(operations=["Read"], groups=["billing", "audit-*"])
    assert allowed_patterns([CONSUMER, more, PRODUCER], "groups", "Read") == ("billing", "audit-*")
    assert allowed_patterns([CONSUMER, PRODUCER], "topics", "Write") == ("orders",)


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), NAMES)
def test_an_exact_name_allows_itself_and_no_other(
    allowed: list[str], denied: list[str], name: str
) -> None:
    acls = [acl(operations="Read", groups=group) for group in allowed]
    acls += [acl(operations="Read", groups=group, permission="deny") for group in denied]
    assert is_allowed(acls, "groups", "Read", name) is (name in allowed and name not in denied)


@given(st.lists(NAMES, min_size=1, max_size=3), NAMES)
def test_a_prefix_allows_all_names_that_begin_with_it(prefixes: list[str], name: str) -> None:
    acls = [acl(operations="Read", groups=f"{prefix}*") for prefix in prefixes]
    assert is_allowed(acls, "groups", "Read", name) is name.startswith(tuple(prefixes))
