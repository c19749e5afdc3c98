"""Certificates: valid for the requested names, and determined by the CA, the node and the date."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from provision.core.errors import HactlError
from provision.formats.certificates import (
    CA_DAYS,
    DAYS,
    RENEW,
    Authority,
    facts,
    have_common_certificate,
    issue,
    issued_by,
    load_authority,
    make,
    save_authority,
)

NAMES = frozenset(["192.0.2.10", "fd00::1", "kafka1.example.org"])
CA = make("kafka")
NOW = datetime.now(UTC)

domains = st.from_regex(r"[a-z]{1,8}\.example\.org", fullmatch=True)
addresses = st.ip_addresses().map(str)


def issue_elsewhere(
    authority: Authority, host: str, names: frozenset[str], now: datetime | None = None
) -> str:
    """The result of `issue` on another machine that has the same CA."""
    return issue.__wrapped__(Authority(authority.trusted, authority.key), host, names, now)


def test_a_certificate_has_the_requested_names() -> None:
    pem = issue(CA, "kafka1", NAMES)
    certificate = facts(pem)
    assert certificate.names == NAMES
    assert DAYS - 1 <= (certificate.not_after - NOW).days <= DAYS
    assert pem.startswith("-----BEGIN PRIVATE KEY-----\n"), "PKCS #8, as Kafka needs it"
    assert issued_by(pem, CA.trusted)


@settings(deadline=None, max_examples=30)
@given(
    names=st.frozensets(domains | addresses, min_size=1, max_size=6),
    host=st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True),
    day=st.integers(min_value=0, max_value=CA_DAYS - 1),
)
def test_every_machine_with_the_ca_makes_the_same_on_the_same_day(
    names: frozenset[str], host: str, day: int
) -> None:
    now = NOW + timedelta(days=day)
    pem = issue(CA, host, names, now)
    assert pem == issue_elsewhere(CA, host, names, now)
    certificate = facts(pem)
    assert certificate.names == names
    assert certificate.not_after - now >= min(
        RENEW, timedelta(days=CA_DAYS) - (now - NOW) - timedelta(hours=1)
    )
    assert issued_by(pem, CA.trusted)
    other = make("kafka")
    assert issue(other, host, names, now) != pem and not issued_by(pem, other.trusted)


def test_a_certificate_changes_only_with_its_host_its_names_and_the_period() -> None:
    pem = issue(CA, "kafka1", NAMES, NOW)
    assert (
        issue(CA, "kafka1", NAMES, NOW + timedelta(days=DAYS) - RENEW - timedelta(hours=2)) == pem
    )
    others = [
        issue(CA, "kafka2", NAMES, NOW),
        issue(CA, "kafka1", NAMES | {"vip.example.org"}, NOW),
        issue(CA, "kafka1", NAMES, NOW + timedelta(days=DAYS) - RENEW),
    ]
    assert len({pem, *others}) == 4
    keys = {text.partition("-----BEGIN CERTIFICATE-----")[0] for text in (pem, *others)}
    assert len(keys) == 4, "all keys differ"
    serials = {
        x509.load_pem_x509_certificate(text[text.index("-----BEGIN C") :].encode()).serial_number
        for text in (pem, *others)
    }
    assert len(serials) == 4


def test_no_certificate_is_valid_longer_than_its_ca() -> None:
    late = NOW + timedelta(days=CA_DAYS - 2)
    assert facts(issue(CA, "kafka1", NAMES, late)).not_after == facts(CA.trusted).not_after
    with pytest.raises(ValueError, match="the CA is valid from"):
        issue(CA, "kafka1", NAMES, NOW + timedelta(days=CA_DAYS + 1))


def rsa_authority() -> Authority:
    """A CA like those of openssl's defaults."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, NOW - timedelta(1), NOW + timedelta(800)
    )
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    return Authority(
        pem,
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode(),
    )


def test_a_ca_with_an_rsa_key_signs_too() -> None:
    authority = rsa_authority()
    pem = issue(authority, "kafka1", NAMES)
    assert pem == issue_elsewhere(authority, "kafka1", NAMES)
    assert issued_by(pem, authority.trusted)


def test_the_first_of_several_certificates_signs_and_all_are_trusted() -> None:
    new = make("kafka")
    both = Authority(new.trusted + CA.trusted, new.key)
    assert issued_by(issue(both, "kafka1", NAMES), new.trusted)
    assert have_common_certificate(both.trusted, CA.trusted) and have_common_certificate(
        both.trusted, new.trusted
    )
    assert not have_common_certificate(new.trusted, CA.trusted) and not have_common_certificate(
        "", CA.trusted
    )


ED = ed25519.Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (make("kafka").key, "not the key of its certificate"),
        (
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
            "not a private key in PEM",
        ),
        (
            ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "neither EC nor RSA",
        ),
    ],
    ids=["another CA's", "damaged", "Ed25519"],
)
def test_a_wrong_key_is_refused_and_never_shown(key: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        issue(Authority(CA.trusted, key), "kafka1", NAMES)
    assert "c2VjcmV0" not in str(caught.value)
    assert key not in repr(Authority(CA.trusted, key))


def test_only_the_ca_of_a_certificate_verifies_it(tmp_path: Path) -> None:
    pem = issue(CA, "kafka1", frozenset(["localhost"]))
    (tmp_path / "pem.pem").write_text(pem)
    assert handshake(tmp_path / "pem.pem", CA.trusted) == ""
    assert "CERTIFICATE_VERIFY_FAILED" in handshake(tmp_path / "pem.pem", make("kafka").trusted)


def handshake(pem: Path, ca: str) -> str:
    """The error of a client that trusts `ca` with a server's certificate; empty for success."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cadata=ca)
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(here, there, server_hostname="localhost"),
        server.wrap_bio(there, here, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return str(error)
    return ""


@pytest.mark.kafka
def test_java_reads_the_certificate(tmp_path: Path) -> None:
    """keytool(1) reads the certificate as a broker does."""
    path = tmp_path / "pem.pem"
    pem = issue(CA, "kafka1", NAMES)
    path.write_text(pem[pem.index("-----BEGIN CERTIFICATE") :])
    done = subprocess.run(
        ["keytool", "-printcert", "-file", path], capture_output=True, text=True, check=True
    )
    assert "Owner: CN=kafka1" in done.stdout and "IPAddress: 192.0.2.10" in done.stdout


def test_a_ca_is_saved_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    assert load_authority(folder) is None and not folder.exists(), "loading writes nothing"
    save_authority(folder, CA)
    assert load_authority(folder) == CA
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("[!.]*")} == {
        "ca.key": 0o600,
        "ca.pem": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(HactlError, match="another run has made a CA"):
        save_authority(folder, make("kafka"))
    assert load_authority(folder) == CA


@pytest.mark.parametrize("name", ["ca.key", "ca.pem"])
def test_an_incomplete_ca_is_reported_and_not_replaced(name: str, tmp_path: Path) -> None:
    save_authority(tmp_path, CA)
    (tmp_path / name).unlink()
    with pytest.raises(HactlError, match=rf"{tmp_path} cannot be read: .*{name}"):
        load_authority(tmp_path)
    with pytest.raises(HactlError, match="another run has made a CA"):
        save_authority(tmp_path, make("kafka"))
