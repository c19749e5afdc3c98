"""Certificates of the brokers as PEM (KIP-651), issued by a CA of hactl or read from a folder.

The CA, the node and the date alone determine a node's key and certificate. Every machine with the
CA thus makes the same files, and a second controller finds nothing to change. A folder from another
CA holds `ca.pem` and a file `HOST.pem` for each host: its private key (PKCS #8, not encrypted) and
its chain.
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
"""Validity of a CA, in days."""

DAYS = 397
"""Validity of a node's certificate, in days."""

RENEW = timedelta(days=30)
"""A certificate is renewed this long before it expires."""

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the curve P-256 (SP 800-186 §3.2.1.3)."""

_BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class CertificateFacts:
    """The names that a certificate is valid for, and its end of validity."""

    names: frozenset[str]
    not_after: datetime


@dataclass(frozen=True)
class Authority:
    """A CA as PEM: the trusted certificates, the signing certificate first, and its private key."""

    trusted: str
    key: str = field(repr=False)


def state_folder(cluster: str) -> Path:
    """The folder of a cluster's CA: ~/.local/state/hactl/kafka/NAME, or below $XDG_STATE_HOME."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "hactl" / "kafka" / cluster


def load_authority(folder: Path) -> Authority | None:
    """The CA that a deploy has saved in a folder; None if there is no CA. Writes nothing.

    Raises:
        HactlError: a file of the CA is missing, or cannot be read.
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


def save_authority(folder: Path, authority: Authority) -> None:
    """Save a new CA in its folder, which only the user may read.

    Raises:
        HactlError: another run has saved a CA meanwhile, or the folder cannot be written.
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
            f"the CA cannot be saved in {folder}: {error.strerror}", "make it writable"
        ) from None


def make(cluster: str) -> Authority:
    """A new CA for a cluster; it is not saved yet."""
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
    """The private key and certificate of a node as PEM: equal for equal CA, node, names and period.

    Periods count from the CA's first day and overlap by RENEW, so that every machine renews on the
    same day.

    Raises:
        ValueError: the CA cannot be read or is not valid now, or its key is neither EC nor RSA or
            does not belong to its certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, signer = _first(authority.trusted), _signer(authority)
    begin, end = _period(issuer, now or datetime.now(UTC))
    identity = "\0".join((host, *sorted(names), begin.isoformat()))
    seed = _derived_secret(signer, identity.encode())
    # FIPS 186-5 A.2.1
    key = ec.derive_private_key(int.from_bytes(seed) % (_ORDER - 1) + 1, ec.SECP256R1())
    # A serial number is positive and has at most 20 octets (RFC 5280 §4.1.2.2).
    serial = int.from_bytes(sha256(b"serial" + seed).digest()[:19])
    builder = (
        _builder(_name(host), issuer.subject, key, serial)
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), False
    )
    purposes = x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    return _pem(key) + _signed(builder.add_extension(purposes, False), signer)


def _period(ca: Certificate, now: datetime) -> tuple[datetime, datetime]:
    """Begin and end of the certificates that the CA signs now. Raises ValueError if it cannot."""
    first, last = ca.not_valid_before_utc, ca.not_valid_after_utc
    if not first <= now < last:
        raise ValueError(f"the CA is valid from {first} to {last}")
    length = timedelta(days=DAYS) - RENEW
    begin = first + (now - first) // length * length
    return begin, min(begin + timedelta(days=DAYS), last)


def _signer(authority: Authority) -> EllipticCurvePrivateKey | RSAPrivateKey:
    """The CA's private key.

    Raises:
        ValueError: the key cannot be read, or is not the key of the CA's certificate.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(authority.key.encode(), None)
    except (ValueError, TypeError):  # cryptography's message may quote parts of the key
        raise ValueError("the CA's key is not a private key in PEM, or it is encrypted") from None
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise ValueError("the CA's key is neither EC nor RSA")
    if key.public_key() != _first(authority.trusted).public_key():
        raise ValueError("the CA's key is not the key of its certificate")
    return key


def _derived_secret(signer: EllipticCurvePrivateKey | RSAPrivateKey, identity: bytes) -> bytes:
    """48 bytes that only the CA's key and the identity give (HKDF, RFC 5869)."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    if isinstance(signer, EllipticCurvePrivateKey):
        secret = signer.private_numbers().private_value
    else:
        secret = signer.private_numbers().d
    text = secret.to_bytes((secret.bit_length() + 7) // 8)
    return HKDF(SHA256(), 48, None, b"hactl kafka node\0" + identity).derive(text)


def issued_by(pem: str, ca: str) -> bool:
    """Whether the key of the first certificate of `ca` signed the first certificate of `pem`."""
    from cryptography.exceptions import InvalidSignature

    try:
        _first(pem).verify_directly_issued_by(_first(ca))
    except (InvalidSignature, ValueError):
        return False
    return True


def have_common_certificate(pem: str, other: str) -> bool:
    """Whether a certificate is in both PEM texts: then nodes trust it before and after a change."""
    return bool(_fingerprints(pem) & _fingerprints(other))


def _fingerprints(pem: str) -> frozenset[bytes]:
    """The fingerprints of all certificates in a PEM text; none if the text cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        return frozenset(
            certificate.fingerprint(SHA256())
            for certificate in x509.load_pem_x509_certificates(pem.encode())
        )
    except ValueError:
        return frozenset()


def _first(pem: str) -> Certificate:
    """The first certificate in a PEM text, after any key. Raises ValueError if there is none."""
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem[max(pem.find(_BEGIN), 0) :].encode())


@cache
def facts(pem: str) -> CertificateFacts:
    """Names and end of the first certificate in a PEM text. Raises ValueError if there is none."""
    from cryptography import x509

    certificate = _first(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return CertificateFacts(frozenset(), certificate.not_valid_after_utc)
    dns = names.get_values_for_type(x509.DNSName)
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return CertificateFacts(frozenset([*dns, *addresses]), certificate.not_valid_after_utc)


def _general_name(name: str) -> x509.GeneralName:
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
    """The signed certificate as PEM; deterministic with ECDSA (RFC 6979) and RSA (PKCS #1 v1.5)."""
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
    """Write a file atomically; only its owner may read it."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_text(text)
    staged.replace(path)
