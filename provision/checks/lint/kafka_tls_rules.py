"""Rules about the certificates of a Kafka cluster: their names and their expiry."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from provision.checks.lint.registry import Hit, rule
from provision.core.errors import InputError
from provision.desired.kafka_tls import authority
from provision.formats import certificates
from provision.inventory.kafka import KafkaCluster
from provision.inventory.topology import Topology

EXPIRY_WARNING = timedelta(days=30)
"""The time before expiry from which on a certificate is reported."""


@rule(
    "kafka-certificate-names",
    "error",
    "A certificate lacks a name under which clients connect to the broker",
    "clients verify the name they connect to: the VIP at bootstrap, then the advertised endpoint",
    "Kafka, ssl.endpoint.identification.algorithm=https; RFC 6125",
)
def kafka_certificate_names(topology: Topology) -> Iterator[Hit]:
    """Checks provided certificates only; hactl's own always fit."""
    for cluster, host, certificate in _provided_certificates(topology):
        node = cluster.on(host)
        missing = sorted(
            name
            for name in _connect_names(topology, cluster, host)
            if not _covers(certificate.names, name)
        )
        if node and missing:
            yield (
                cluster.node.at("tls"),
                f"the certificate of {host} does not name {', '.join(missing)}",
                "get a new certificate with these subject alternative names",
            )


@rule(
    "kafka-certificate-ends",
    "error",
    "A certificate has expired, or expires soon",
    "clients and the other brokers can no longer connect",
    "RFC 5280 §4.1.2.5",
)
def kafka_certificate_ends(topology: Topology) -> Iterator[Hit]:
    """Warns 30 days before, since a new certificate takes a roll of all brokers."""
    now = datetime.now(UTC)
    for cluster, host, certificate in _provided_certificates(topology):
        if certificate.not_after < now + EXPIRY_WARNING:
            verb = "expired" if certificate.not_after < now else "expires"
            message = f"the certificate of {host} {verb} on {certificate.not_after:%Y-%m-%d}"
            yield cluster.node.at("tls"), message, "get a new certificate"
    end = _authority_expiry(topology)
    if topology.kafka and end and end < now + EXPIRY_WARNING:
        message = (
            f"the CA {'expired' if end < now else 'expires'} on {end:%Y-%m-%d}, "
            "and the nodes' certificates with it"
        )
        fix = "replace it in two deploys, as docs/kafka.md describes"
        yield topology.kafka.node.at("tls"), message, fix


def _authority_expiry(topology: Topology) -> datetime | None:
    """Return when the CA that hactl signs with expires.

    None if there is no CA, or if it cannot be read; a deploy reports the latter.
    """
    try:
        signing = authority(topology.kafka) if topology.kafka else None
        return certificates.facts(signing.trusted).not_after if signing else None
    except (InputError, ValueError):
        return None


def _provided_certificates(
    topology: Topology,
) -> Iterator[tuple[KafkaCluster, str, certificates.CertificateFacts]]:
    """Yield the readable certificates that hactl did not make; a deploy reports the others."""
    cluster = topology.kafka
    if (
        cluster is None
        or cluster.certificates is None
        or cluster.model.tls is None
        or cluster.model.tls.signs
    ):
        return
    for node in cluster.nodes:
        path = cluster.certificates / f"{node.host}.pem"
        try:
            yield cluster, node.host, certificates.facts(path.read_text())
        except (OSError, ValueError):
            continue


def _connect_names(topology: Topology, cluster: KafkaCluster, host: str) -> tuple[str, ...]:
    """Return a node's advertised endpoint; for a broker also the bootstrap names."""
    node = cluster.on(host)
    assert node is not None
    return (node.endpoint, *(cluster.bootstraps(topology.frontends) if node.broker else ()))


def _covers(names: frozenset[str], name: str) -> bool:
    """Whether a certificate's names include a name.

    A wildcard stands for the leftmost label (RFC 6125 §6.4.3).
    """
    return name in names or (
        "." in name and not _is_address(name) and f"*.{name.partition('.')[2]}" in names
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
