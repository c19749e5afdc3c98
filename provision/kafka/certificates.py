"""Certificates of the brokers: hactl's own CA, or a folder that somebody else fills. PEM, as Kafka reads it (KIP-651).

A folder holds `ca.pem` and, for each host, `HOST.pem`: its private key (PKCS #8, not encrypted) and its chain. With
hactl's own CA there is `ca.key`, too.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from provision.errors import HactlError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

CA_DAYS = 3650
DAYS = 397
RENEW = timedelta(days=30)
"""A certificate of hactl's own CA is made anew when it has less to go."""


@dataclass(frozen=True)
class Facts:
    """What a broker's certificate says: whom it is good for, until when."""

    names: frozenset[str]
    not_after: datetime


def state_folder(cluster: str) -> Path:
    """Where hactl keeps the CA of a cluster: ~/.local/state/hactl/kafka/NAME, or below $XDG_STATE_HOME."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "hactl" / "kafka" / cluster


def ensure(folder: Path, host: str, names: Iterable[str]) -> tuple[str, str]:
    """The CA's certificate, and the host's key and certificate; what is missing or does not fit is made and kept.

    Raises:
        HactlError: the folder cannot be written, or what is in it cannot be read.
    """
    wanted = frozenset(names)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / ".lock").open("w") as lock:  # hosts are rendered at the same time, and one CA is for all
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _ensure(folder, host, wanted)
    except (OSError, ValueError) as error:
        raise HactlError(f"the certificates in {folder} cannot be used: {error}", "mend or remove it") from None


def _ensure(folder: Path, host: str, wanted: frozenset[str]) -> tuple[str, str]:
    if not (folder / "ca.key").exists():
        _make_ca(folder)
    ca, path = (folder / "ca.pem").read_text(), folder / f"{host}.pem"
    if not path.exists() or not _good(path.read_text(), ca, wanted):
        issued = _issue(folder, host, wanted)
        if not issued_by(issued, ca):
            raise ValueError("ca.key is not the key of ca.pem")
        _write(path, issued)
    return ca, path.read_text()


def _good(own: str, ca: str, wanted: frozenset[str]) -> bool:
    found = facts(own)
    return found.names == wanted and found.not_after - RENEW > datetime.now(UTC) and issued_by(own, ca)


def issued_by(own: str, ca: str) -> bool:
    """Whether the first certificate of one PEM text was signed with the key of the other's."""
    from cryptography.exceptions import InvalidSignature

    try:
        _first(own).verify_directly_issued_by(_first(ca))
    except (InvalidSignature, ValueError):
        return False
    return True


def _first(pem: str) -> Certificate:
    """The first certificate in a PEM text, which may begin with a key. Raises ValueError where there is none."""
    from cryptography import x509

    begin = pem.find("-----BEGIN CERTIFICATE-----")
    return x509.load_pem_x509_certificate(pem[max(begin, 0) :].encode())


@cache
def facts(pem: str) -> Facts:
    """What the first certificate in a PEM text says. Raises ValueError where there is none."""
    from cryptography import x509

    certificate = _first(pem)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Facts(frozenset(), _end(certificate))
    dns, addresses = names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.IPAddress)
    return Facts(frozenset([*dns, *map(str, addresses)]), _end(certificate))


def _end(certificate: Certificate) -> datetime:
    return certificate.not_valid_after_utc


def _make_ca(folder: Path) -> None:
    from cryptography import x509

    key = _key()
    subject = _name(f"hactl CA for Kafka {folder.name}")
    builder = _builder(subject, subject, key, CA_DAYS).add_extension(x509.BasicConstraints(True, 0), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = _signed(builder.add_extension(usage, critical=True), key)
    _write(folder / "ca.pem", certificate)
    _write(folder / "ca.key", _pem(key))


def _issue(folder: Path, host: str, names: frozenset[str]) -> str:
    """A new key and its certificate, signed by the folder's CA."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    signer = load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(signer, EllipticCurvePrivateKey)
    key = _key()
    builder = _builder(_name(host), issuer.subject, key, DAYS)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), False)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return _pem(key) + _signed(builder.add_extension(purposes, False), signer)


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text[:64])])


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _signed(builder: x509.CertificateBuilder, signer: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    return builder.sign(signer, SHA256()).public_bytes(Encoding.PEM).decode()


def _pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _write(path: Path, text: str) -> None:
    """In one step, and never readable by others."""
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_text(text)
    staged.replace(path)
