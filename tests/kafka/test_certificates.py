"""hactl's own CA: what it issues is good for the names asked for, is kept, and is made anew when it does not fit."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provision.errors import HactlError
from provision.kafka.certificates import DAYS, ensure, facts, issued_by

NAMES = ["192.0.2.10", "fd00::1", "kafka1.example.org"]


def test_a_certificate_names_what_was_asked_for(tmp_path: Path) -> None:
    _, own = ensure(tmp_path / "ca", "kafka1", NAMES)
    found = facts(own)
    assert found.names == frozenset(NAMES)
    assert DAYS - 1 <= (found.not_after - datetime.now(UTC)).days <= DAYS
    assert own.startswith("-----BEGIN PRIVATE KEY-----\n"), "PKCS #8, as Kafka wants it"


def test_it_is_kept_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    assert ensure(folder, "kafka1", NAMES) == ensure(folder, "kafka1", list(reversed(NAMES)))
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("[!.]*")} == {
        "ca.key": 0o600, "ca.pem": 0o600, "kafka1.pem": 0o600,
    }  # fmt: skip
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_name_makes_another_certificate_of_the_same_ca(tmp_path: Path) -> None:
    ca, own = ensure(tmp_path, "kafka1", NAMES)
    ca_again, renewed = ensure(tmp_path, "kafka1", [*NAMES, "vip.example.org"])
    assert ca == ca_again
    assert renewed != own
    assert facts(renewed).names == {*NAMES, "vip.example.org"}


def test_one_that_soon_ends_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provision.kafka.certificates.DAYS", 29)
    _, old = ensure(tmp_path, "kafka1", NAMES)
    monkeypatch.undo()
    assert ensure(tmp_path, "kafka1", NAMES)[1] != old


def test_the_ca_verifies_it_and_no_other(tmp_path: Path) -> None:
    ca, own = ensure(tmp_path / "a", "kafka1", ["localhost"])
    other, _ = ensure(tmp_path / "b", "kafka1", ["localhost"])
    (tmp_path / "own.pem").write_text(own)
    assert handshake(tmp_path / "own.pem", ca) == ""
    assert "CERTIFICATE_VERIFY_FAILED" in handshake(tmp_path / "own.pem", other)


def handshake(own: Path, ca: str) -> str:
    """What a client that trusts `ca` says of a server with this certificate; empty where it is content."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(own)
    client = ssl.create_default_context(cadata=ca)
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(here, there, server_hostname="localhost"), server.wrap_bio(there, here, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error)
    return ""


def test_hosts_that_are_rendered_at_the_same_time_share_one_ca(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: ensure(tmp_path / "ca", f"kafka{number}", NAMES), range(8)))
    assert len({ca for ca, _ in found}) == 1
    assert all(issued_by(own, ca) for ca, own in found)


def test_a_certificate_of_another_ca_is_made_anew(tmp_path: Path) -> None:
    ca, _ = ensure(tmp_path / "a", "kafka1", NAMES)
    ensure(tmp_path / "b", "kafka1", NAMES)
    (tmp_path / "a" / "kafka1.pem").write_bytes((tmp_path / "b" / "kafka1.pem").read_bytes())
    assert issued_by(ensure(tmp_path / "a", "kafka1", NAMES)[1], ca)


def test_a_damaged_folder_is_told_with_its_place(tmp_path: Path) -> None:
    ensure(tmp_path, "kafka1", NAMES)
    (tmp_path / "kafka1.pem").write_text("nonsense")
    with pytest.raises(HactlError, match=str(tmp_path)):
        ensure(tmp_path, "kafka1", NAMES)


def test_a_key_of_another_ca_is_noticed(tmp_path: Path) -> None:
    ensure(tmp_path / "a", "kafka1", NAMES)
    ensure(tmp_path / "b", "kafka1", NAMES)
    (tmp_path / "a" / "ca.key").write_bytes((tmp_path / "b" / "ca.key").read_bytes())
    with pytest.raises(HactlError, match=r"ca\.key is not the key of ca\.pem"):
        ensure(tmp_path / "a", "kafka2", NAMES)
