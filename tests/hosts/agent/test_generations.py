"""What a host keeps of each confirmed run, and that it comes back as it was."""

from __future__ import annotations

import dataclasses
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provision.core.errors import HostError
from provision.desired.items import Address, DesiredHost, File, Item, Module, Package, Sysctl, Unit
from provision.hosts.agent.generations import (
    Generation,
    GenerationLog,
    RecordedChange,
    Unreadable,
    open_generation_log,
    read_about,
    read_desired,
    write_about,
    write_desired,
)
from tests.memory import MemoryChannel, MemorySession

TEXT = st.text(max_size=20)
ITEMS: st.SearchStrategy[Item] = st.one_of(
    st.builds(Package, TEXT),
    st.builds(Module, TEXT),
    st.builds(Sysctl, TEXT, TEXT),
    st.builds(File, TEXT, st.binary(max_size=50), TEXT, TEXT, TEXT, TEXT, TEXT, st.booleans()),
    st.builds(Address, TEXT, TEXT, TEXT),
    st.builds(Unit, TEXT, st.booleans(), st.booleans(), TEXT, TEXT),
)
MADE = (
    RecordedChange("file", "/etc/a", "create", "0644", ("+a",)),
    RecordedChange("file", "/etc/b", "update", "content", ("-a", "+b")),
    RecordedChange("unit", "k.service", "update", "reload"),
    RecordedChange("address", "192.0.2.1/32", "remove"),
)
GENERATION = Generation(7, "kim@ops", "2026-01-01T00:00:00Z", "d1ge57", MADE, "rollback to 4")


@given(st.lists(ITEMS, max_size=6).map(tuple))
def test_a_desired_state_comes_back_as_it_was(items: tuple[Item, ...]) -> None:
    desired = DesiredHost("web1", items)
    assert read_desired(write_desired(desired, ())).desired == desired


def test_the_secrets_that_a_host_has_are_kept_with_it_and_no_others() -> None:
    """A rollback brings an old password back, which must be masked where it is shown."""
    desired = DesiredHost("web1", (File("/etc/k.conf", b"auth_pass s3cret\n"), Unit("k.service")))
    assert read_desired(write_desired(desired, {"s3cret", "of-another-host"})).secrets == {"s3cret"}


def test_a_generation_comes_back_as_it_was_and_counts_its_changes() -> None:
    assert read_about(write_about(GENERATION)) == GENERATION
    assert GENERATION.counts == "+1 ~2 -1"
    assert dataclasses.replace(GENERATION, changes=MADE[2:3]).counts == "~1"


def test_the_same_state_makes_the_same_bytes() -> None:
    assert write_about(GENERATION) == write_about(GENERATION)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "damaged"),
        (write_about(GENERATION)[:-9], "damaged"),
        (write_about(GENERATION)[:10] + b"\xff" * 20, "damaged"),
        (gzip.compress(b"[" * 100_000, mtime=0), "damaged"),
        (gzip.compress(b"[]", mtime=0), "another version"),
        (gzip.compress(b'{"format": 2}', mtime=0), "another version"),
        (
            gzip.compress(b'{"format": 1, "changes": [{"colour": "red"}]}', mtime=0),
            "another version",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        read_about(data)
    with pytest.raises(Unreadable):
        read_desired(data)


def answer(*generations: Generation, attempt: int, more: bytes = b"") -> MemorySession:
    """A host that has kept `generations`."""
    sent = b""
    for generation in generations:
        data = write_about(generation)
        sent += f"generation\x1f{generation.number}\x1f{len(data)}\n".encode() + data
    session = MemorySession()
    session.channel = MemoryChannel(sent + f"attempt\x1f{attempt}\n".encode() + more)
    return session


def chronicle(*numbers: int, attempt: int = 0) -> GenerationLog:
    kept = (dataclasses.replace(GENERATION, number=number) for number in numbers)
    return open_generation_log(answer(*kept, attempt=attempt))


def test_a_hosts_state_at_a_number_is_its_newest_generation_up_to_there() -> None:
    kept = chronicle(9, 10, 2, attempt=11)
    assert [generation.number for generation in kept.generations] == [2, 9, 10]
    assert kept.attempt == 11
    generations = [kept.up_to(number) for number in (1, 2, 8, 10, 99)]
    assert [generation.number if generation else None for generation in generations] == [
        None,
        2,
        2,
        10,
        10,
    ]


def test_a_desired_state_is_asked_for_by_its_number() -> None:
    data = write_desired(DesiredHost("web1", (Package("nginx"),)), ())
    session = answer(GENERATION, attempt=7, more=f"desired\x1f{len(data)}\n".encode() + data)
    with open_generation_log(session) as kept:
        assert kept.desired(7).desired.items == (Package("nginx"),)
    assert session.channel.told == b"7\n" and session.channel.closed


def test_a_state_that_cannot_be_read_is_an_error_of_the_host() -> None:
    session = answer(GENERATION, attempt=7, more=b"desired\x1f0\n")
    with pytest.raises(HostError, match="generation 7 cannot be used: it is damaged"):
        open_generation_log(session).desired(7)
