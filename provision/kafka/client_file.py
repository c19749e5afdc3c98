"""The login to a cluster, read from a client's properties file and the PEM files that it names."""

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
    """The bootstrap addresses and the credentials. `tls` is None if the protocol has no TLS.

    `proxy` is the URL of the proxy to the brokers, with its password; empty without a proxy.
    """

    bootstrap: tuple[tuple[str, int], ...]
    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    proxy: str = field(default="", repr=False)


def login(bootstrap: str, file: Path | None) -> Login:
    """Return the login of a client's file; `bootstrap` (`HOST:PORT,…`) overrides the file's.

    Raises:
        InputError: the file has an unknown or wrong value; the error has its position.
        UsageError: there is no bootstrap server, or the file cannot be read.
    """
    try:
        file_properties = read(file.read_bytes(), str(file)) if file else Properties("", ())
    except OSError as error:
        raise UsageError(f"--client {file}: {error.strerror}") from None
    servers = bootstrap or file_properties.get("bootstrap.servers")
    if not servers:
        raise UsageError("give --bootstrap HOST:PORT, or a client file that has bootstrap.servers")
    protocol = file_properties.get("security.protocol", "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise _file_error(
            file_properties,
            "security.protocol",
            f"there is no protocol {protocol}",
            f"one of {', '.join(PROTOCOLS)}",
        )
    tls = _tls_context(file_properties) if protocol.endswith("SSL") else None
    addresses = tuple(_address(server) for server in servers.split(","))
    if not protocol.startswith("SASL"):
        return Login(addresses, protocol, tls=tls)
    mechanism, user, password = _credentials(file_properties)
    return Login(addresses, protocol, mechanism, user, password, tls)


def _file_error(file_properties: Properties, key: str, problem: str, fix: str) -> InputError:
    entry = file_properties.entry(key)
    position = entry.value.position if entry else Position(file_properties.file)
    return InputError([Problem(position, "client-file", f"{key}: {problem}", "", fix)])


def _address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `HOST` or `[IPv6]:PORT`."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or host.endswith(":") or text.strip().endswith("]"):
        host, port = text.strip(), str(PORT)
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"bootstrap server {text.strip()!r}: write HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _credentials(file_properties: Properties) -> tuple[str, str, str]:
    mechanism = file_properties.get("sasl.mechanism")
    if mechanism not in MECHANISMS:
        problem = f"hactl does not support mechanism {mechanism or 'GSSAPI (the default)'}"
        raise _file_error(
            file_properties, "sasl.mechanism", problem, f"one of {', '.join(MECHANISMS)}"
        )
    entry = file_properties.entry("sasl.jaas.config")
    if not entry:
        raise _file_error(
            file_properties,
            "sasl.jaas.config",
            "is missing",
            f"`{MECHANISMS[mechanism]} required username=… password=…;`",
        )
    reading = jaas_property.read(entry.value)
    if reading.refusals or len(reading.modules) != 1:
        message = reading.refusals[0].message if reading.refusals else "no login module"
        raise _file_error(
            file_properties, "sasl.jaas.config", f"Kafka says: {message}", "see `hactl kafka lint`"
        )
    module = reading.modules[0]
    if module.name != MECHANISMS[mechanism]:
        raise _file_error(
            file_properties,
            "sasl.jaas.config",
            f"{module.name} does not support {mechanism}",
            f"use {MECHANISMS[mechanism]}",
        )
    return mechanism, module.get("username"), module.get("password")


def _tls_context(file_properties: Properties) -> ssl.SSLContext:
    """Return the file's trust store and key; without a trust store, trust the machine's CAs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    algorithm = file_properties.entry("ssl.endpoint.identification.algorithm")
    context.check_hostname = not (algorithm and not algorithm.value.trimmed().text)
    for store in ("truststore", "keystore"):
        kind = file_properties.get(f"ssl.{store}.type", "JKS").upper()
        if file_properties.entry(f"ssl.{store}.location") and kind != "PEM":
            fix = f"export the certificates as PEM, name that file and set ssl.{store}.type=PEM"
            raise _file_error(
                file_properties, f"ssl.{store}.location", f"only Java can read a {kind} store", fix
            )
    _load_trust(file_properties, context)
    if keys := file_properties.get("ssl.keystore.location"):
        try:
            context.load_cert_chain(keys, password=file_properties.get("ssl.key.password") or None)
        except (OSError, ssl.SSLError) as error:
            raise _file_error(
                file_properties,
                "ssl.keystore.location",
                f"{keys}: {error}",
                "a PEM file with key and chain",
            ) from None
    return context


def _load_trust(file_properties: Properties, context: ssl.SSLContext) -> None:
    file, text = (
        file_properties.get("ssl.truststore.location"),
        file_properties.get("ssl.truststore.certificates"),
    )
    key = "ssl.truststore.location" if file else "ssl.truststore.certificates"
    try:
        if file or text:
            context.load_verify_locations(cafile=file or None, cadata=text or None)
        else:
            context.load_default_certs()
    except (OSError, ssl.SSLError) as error:
        raise _file_error(
            file_properties, key, f"{file or 'the text'}: {error}", "certificates in PEM form"
        ) from None
