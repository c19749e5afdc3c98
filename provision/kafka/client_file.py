"""How to log in to a cluster, from a client's properties file. Pure but for that file and the PEM files it names."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from provision.core.errors import InputError, Position, Problem, UsageError
from provision.formats import jaas_property
from provision.formats.jaas import PLAIN, SCRAM
from provision.formats.properties import Properties, read

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = {"PLAIN": PLAIN, "SCRAM-SHA-256": SCRAM, "SCRAM-SHA-512": SCRAM}
PORT = 9092


@dataclass(frozen=True)
class Login:
    """Where to connect first, and as whom. `tls` is None where the protocol has none.

    `proxy` is the URL of the proxy that leads there, with its password; empty where no proxy is needed.
    """

    bootstrap: tuple[tuple[str, int], ...]
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    proxy: str = field(default="", repr=False)


def login(bootstrap: str, file: Path | None) -> Login:
    """The login that a client's file asks for; `bootstrap` (`HOST:PORT,…`), if given, stands above the file's.

    Raises:
        InputError: the file says something that is not understood; it carries the place.
        UsageError: there is no bootstrap server, or the file cannot be read.
    """
    try:
        found = read(file.read_bytes(), str(file)) if file else Properties("", ())
    except OSError as error:
        raise UsageError(f"--client {file}: {error.strerror}") from None
    servers = bootstrap or found.get("bootstrap.servers")
    if not servers:
        raise UsageError("give --bootstrap HOST:PORT, or a client file that has bootstrap.servers")
    protocol = found.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise _wrong(
            found,
            "security.protocol",
            f"there is no protocol {protocol}",
            f"one of {', '.join(PROTOCOLS)}",
        )
    tls = _tls(found) if protocol.endswith("SSL") else None
    addresses = tuple(_address(each) for each in servers.split(","))
    if not protocol.startswith("SASL"):
        return Login(addresses, protocol, tls=tls)
    mechanism, user, password = _credentials(found)
    return Login(addresses, protocol, mechanism, user, password, tls)


def _wrong(found: Properties, key: str, what: str, fix: str) -> InputError:
    entry = found.entry(key)
    position = entry.value.position if entry else Position(found.file)
    return InputError([Problem(position, "client-file", f"{key}: {what}", "", fix)])


def _address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `HOST` or `[IPv6]:PORT`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or host.endswith(":") or text.strip().endswith("]"):
        host, port = text.strip(), str(PORT)
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"bootstrap server {text.strip()!r}: it takes HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _credentials(found: Properties) -> tuple[str, str, str]:
    mechanism = found.get("sasl.mechanism")
    if mechanism not in MECHANISMS:
        what = f"mechanism {mechanism or 'GSSAPI (the default)'} is not spoken here"
        raise _wrong(found, "sasl.mechanism", what, f"one of {', '.join(MECHANISMS)}")
    entry = found.entry("sasl.jaas.config")
    if not entry:
        raise _wrong(
            found,
            "sasl.jaas.config",
            "is missing",
            f"`{MECHANISMS[mechanism]} required username=… password=…;`",
        )
    reading = jaas_property.read(entry.value)
    if reading.refusals or len(reading.modules) != 1:
        said = reading.refusals[0].message if reading.refusals else "no login module"
        raise _wrong(found, "sasl.jaas.config", f"Kafka says: {said}", "see `hactl kafka lint`")
    module = reading.modules[0]
    if module.name != MECHANISMS[mechanism]:
        raise _wrong(
            found,
            "sasl.jaas.config",
            f"{module.name} does not do {mechanism}",
            f"use {MECHANISMS[mechanism]}",
        )
    return mechanism, module.get("username"), module.get("password")


def _tls(found: Properties) -> ssl.SSLContext:
    """Trust and key as the file says; without a trust store the machine's own authorities are trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    named = found.entry("ssl.endpoint.identification.algorithm")
    context.check_hostname = not (named and not named.value.trimmed().text)
    for store in ("truststore", "keystore"):
        kind = found.get(f"ssl.{store}.type", "JKS").upper()
        if found.entry(f"ssl.{store}.location") and kind != "PEM":
            fix = f"export the certificates as PEM, name that file and set ssl.{store}.type=PEM"
            raise _wrong(
                found, f"ssl.{store}.location", f"a {kind} store can be read by Java only", fix
            )
    _trust(found, context)
    if keys := found.get("ssl.keystore.location"):
        try:
            context.load_cert_chain(keys, password=found.get("ssl.key.password") or None)
        except (OSError, ssl.SSLError) as error:
            raise _wrong(
                found, "ssl.keystore.location", f"{keys}: {error}", "a PEM file with key and chain"
            ) from None
    return context


def _trust(found: Properties, context: ssl.SSLContext) -> None:
    file, text = found.get("ssl.truststore.location"), found.get("ssl.truststore.certificates")
    key = "ssl.truststore.location" if file else "ssl.truststore.certificates"
    try:
        if file or text:
            context.load_verify_locations(cafile=file or None, cadata=text or None)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise _wrong(
            found, key, f"{file or 'the text'}: {error}", "certificates in PEM form"
        ) from None
