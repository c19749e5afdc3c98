"""Certificates of the brokers, signed by a CA that hactl knows, or in a folder that somebody else fills. PEM (KIP-651).

A node's key and certificate follow from the CA, the node and the date alone, so that every machine with the CA makes
the same: a second controller finds nothing to change. A folder that somebody else fills holds `ca.pem` and, for each
host, `HOST.pem`: its private key (PKCS #8, not encrypted) and its chain.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from provision.core.errors import HactlError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.x509 import Certificate

CA_DAYS = 3650
DAYS = 397
"""Days that a node's certificate lasts."""

RENEW = timedelta(days=30)
"""The next certificate is made so long before the present one ends."""

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the curve P-256 (SP 800-186 §3.2.1.3)."""

_BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class CertificateFacts:
    """What a broker's certificate says: whom it is good for, until when."""

    names: frozenset[str]
    not_after: datetime


@dataclass(frozen=True)
class Authority:
    """A CA: what nodes and clients trust, as PEM, of which the first certificate signs; and its private key."""

    trusted: str
    key: str = field(repr=False)


def state_folder(cluster: str) -> Path:
    """Where hactl keeps the CA of a cluster: ~/.local/state/hactl/kafka/NAME, or below $XDG_STATE_HOME."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "hactl" / "kafka" / cluster


def kept(folder: Path) -> Authority | None:
    """The CA that a deploy keeps in a folder; None where there is none. Writes nothing.

    Raises:
        HactlError: a part of it is missing, or cannot be read.
    """
    key, trusted = folder / "ca.key", folder / "ca.pem"
    try:
        if not key.exists() and not trusted.exists():
            return None
        return Authority(trusted.read_text(), key.read_text())
    except (OSError, ValueError) as error:
        raise HactlError(
            f"the CA in {folder} cannot be read: {error}", "copy ca.pem and ca.key there again"
        ) from None


def keep(folder: Path, authority: Authority) -> None:
    """Put a new CA into its folder, which nobody else may read.

    Raises:
        HactlError: there is another CA by now, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (folder / "ca.key").exists() or (folder / "ca.pem").exists():
                raise HactlError(f"another run has made a CA in {folder} meanwhile", "deploy again")
            _write(folder / "ca.key", authority.key)
            _write(folder / "ca.pem", authority.trusted)
    except OSError as error:
        raise HactlError(
            f"the CA cannot be kept in {folder}: {error.strerror}", "make it writable"
        ) from None


def make(cluster: str) -> Authority:
    """A new CA for a cluster; it is kept nowhere yet."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = _name(f"hactl CA for Kafka {cluster}"), datetime.now(UTC)
    builder = _builder(subject, subject, key, x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(
        now + timedelta(days=CA_DAYS)
    )
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
    return Authority(_signed(builder.add_extension(usage, critical=True), key), _pem(key))


@cache
def issue(
    authority: Authority, host: str, names: frozenset[str], now: datetime | None = None
) -> str:
    """The private key and the certificate of a node, as PEM: the same for the same CA, node, names and period.

    Periods are counted from the CA's first day and overlap by RENEW, so that every machine renews on the same day.

    Raises:
        ValueError: the CA cannot be read, its key does not fit or is of another kind than EC or RSA, or it has ended.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, signer = _first(authority.trusted), _signer(authority)
    now = now or datetime.now(UTC)
    if not issuer.not_valid_before_utc <= now < issuer.not_valid_after_utc:
        raise ValueError(
            f"the CA is valid from {issuer.not_valid_before_utc} to {issuer.not_valid_after_utc}"
        )
    length = timedelta(days=DAYS) - RENEW
    begin = issuer.not_valid_before_utc + (now - issuer.not_valid_before_utc) // length * length
    end = min(begin + timedelta(days=DAYS), issuer.not_valid_after_utc)
    words = (host, *sorted(names), begin.isoformat())
    seed = _derived(signer, "\0".join(words).encode())
    key = ec.derive_private_key(
        int.from_bytes(seed) % (_ORDER - 1) + 1, ec.SECP256R1()
    )  # FIPS 186-5 A.2.1
    serial = int.from_bytes(
        sha256(b"serial" + seed).digest()[:19]
    )  # up to 20 octets, positive (RFC 5280 §4.1.2.2)
    builder = (
        _builder(_name(host), issuer.subject, key, serial)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), False
    )
    purposes = x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    return _pem(key) + _signed(builder.add_extension(purposes, False), signer)


def _signer(authority: Authority) -> EllipticCurvePrivateKey | RSAPrivateKey:
    """The CA's private key. Raises ValueError where it is not the key of its certificate, or cannot be read."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(authority.key.encode(), None)
    except (ValueError, TypeError):  # cryptography's own words may hold parts of the text
        raise ValueError("the CA's key is no private key in PEM, or it is encrypted") from None
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise ValueError("the CA's key is neither EC nor RSA")
    if key.public_key() != _first(authority.trusted).public_key():
        raise ValueError("the CA's key is not the key of its certificate")
    return key


def _derived(signer: EllipticCurvePrivateKey | RSAPrivateKey, words: bytes) -> bytes:
    """48 bytes that nobody can compute without the CA's key, and anybody with it (HKDF, RFC 5869)."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if isinstance(signer, EllipticCurvePrivateKey):
        secret = signer.private_numbers().private_value
    else:
        secret = signer.private_numbers().d
    text = secret.to_bytes((secret.bit_length() + 7) // 8)
    return HKDF(SHA256(), 48, None, b"hactl kafka node\0" + words).derive(text)


def issued_by(own: str, ca: str) -> bool:
    """Whether the first certificate of one PEM text was signed with the key of the other's."""
    from cryptography.exceptions import InvalidSignature

    try:
        _first(own).verify_directly_issued_by(_first(ca))
    except (InvalidSignature, ValueError):
        return False
    return True


def share_one(one: str, other: str) -> bool:
    """Whether two PEM texts have a certificate in common: then nodes that trust either trust what that CA signed."""
    return bool(_all(one) & _all(other))


def _all(pem: str) -> frozenset[bytes]:
    """The fingerprints of all certificates in a PEM text; none where it cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        return frozenset(
            each.fingerprint(SHA256()) for each in x509.load_pem_x509_certificates(pem.encode())
        )
    except ValueError:
        return frozenset()


def _first(pem: str) -> Certificate:
    """The first certificate in a PEM text, which may begin with a key. Raises ValueError where there is none."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem[max(pem.find(_BEGIN), 0) :].encode())


@cache
def facts(pem: str) -> CertificateFacts:
    """What the first certificate in a PEM text says. Raises ValueError where there is none."""
    from cryptography import x509

    certificate = _first(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateFacts(frozenset(), _end(certificate))
    dns, addresses = (
        names.get_values_for_type(x509.DNSName),
        names.get_values_for_type(x509.IPAddress),
    )
    return CertificateFacts(frozenset([*dns, *map(str, addresses)]), _end(certificate))


def _end(certificate: Certificate) -> datetime:
    return certificate.not_valid_after_utc


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, serial: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    return builder.public_key(key.public_key()).serial_number(serial)


def _signed(
    builder: x509.CertificateBuilder, signer: EllipticCurvePrivateKey | RSAPrivateKey
) -> str:
    """The certificate as PEM. ECDSA signs deterministically here (RFC 6979), as RSA does anyway (PKCS #1 v1.5)."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    deterministic = True if isinstance(signer, EllipticCurvePrivateKey) else None
    signed = builder.sign(signer, SHA256(), ecdsa_deterministic=deterministic)
    return signed.public_bytes(Encoding.PEM).decode()


def _pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _write(path: Path, text: str) -> None:
    """In one step, and never readable by others."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_text(text)
    staged.replace(path)
