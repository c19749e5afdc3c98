"""The certificates of a cluster: its CA, the trusted certificates, and the names of its nodes.

This module writes nothing. With `tls: generated`, and before a deploy has saved a CA on this
machine, contents are NOT_KNOWN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from provision.core.errors import HactlError, InputError, Problem
from provision.desired.items import NOT_KNOWN
from provision.formats.certificates import Authority, issue, load_authority
from provision.inventory.kafka import KafkaCluster, KafkaNode
from provision.inventory.model.kafka import PEM

if TYPE_CHECKING:
    from provision.inventory.topology import Topology


def names(topology: Topology, cluster: KafkaCluster, node: KafkaNode) -> frozenset[str]:
    """All names by which clients and nodes connect to a node, the bootstrap VIPs included."""
    addresses = (str(address) for address in topology.hosts[node.host].address)
    bootstraps = cluster.bootstraps(topology.frontends) if node.broker else ()
    return frozenset([node.endpoint, *addresses, *bootstraps])


def authority(cluster: KafkaCluster) -> Authority | None:
    """The CA that hactl signs with; None if this machine has none, or another CA signs.

    Raises:
        InputError: `kafka-certificate`, if the CA cannot be read.
    """
    tls, folder = cluster.model.tls, cluster.certificates
    if tls is None or folder is None or not tls.signs or cluster.new_authority is not None:
        return cluster.new_authority
    try:
        if tls.ca is None or tls.key is None:
            return load_authority(folder)
        return Authority(_text(cluster, "ca", tls.ca), _text(cluster, "key", tls.key))
    except (OSError, UnicodeDecodeError) as error:
        fix = "put the file there, or its text into the inventory: `ca` as it is, `key` as `!vault`"
        raise _unreadable(cluster, str(error), fix) from None
    except HactlError as error:
        raise _unreadable(cluster, error.message, error.hint) from None


def _text(cluster: KafkaCluster, name: str, value: str) -> str:
    """The PEM text of a value, which is the text itself or names a file beside the inventory.

    Raises:
        InputError: `kafka-ca`, if a secret is not PEM: an error about a file would show the secret.
    """
    if PEM in value:
        return value
    node = cluster.node.at("tls", name)
    if any(node.secrets()):
        message = f"the secret in `{name}` is not a PEM text"
        fix = "encrypt the whole file, from its line -----BEGIN on"
        raise InputError([Problem(node.position, "kafka-ca", message, fix=fix)])
    assert cluster.certificates is not None
    return (cluster.certificates / value).read_text()


def missing(cluster: KafkaCluster) -> bool:
    """Whether a deploy must create the CA. Raises InputError as `authority`."""
    tls = cluster.model.tls
    return tls is not None and tls.signs and authority(cluster) is None


def trusted(cluster: KafkaCluster) -> str:
    """The certificates that clients of the cluster trust, as PEM.

    Raises:
        InputError: `kafka-certificate`, if this machine does not have them.
    """
    if missing(cluster):
        raise no_authority(cluster)
    return trusted_or_unknown(cluster)


def trusted_or_unknown(cluster: KafkaCluster) -> str:
    """The trusted certificates as PEM; NOT_KNOWN if no deploy has created the CA here."""
    signer = authority(cluster)
    if signer is not None:
        return signer.trusted
    return f"{NOT_KNOWN}\n" if missing(cluster) else _file_text(cluster, "ca.pem")


def certificate(topology: Topology, cluster: KafkaCluster, node: KafkaNode) -> str:
    """The node's key and chain as PEM; NOT_KNOWN if no deploy has created the CA on this machine.

    Raises:
        InputError: `kafka-certificate`, if they cannot be read or issued.
    """
    if missing(cluster):
        return f"{NOT_KNOWN}\n"
    signer = authority(cluster)
    if signer is None:
        return _file_text(cluster, f"{node.host}.pem")
    try:
        return issue(signer, node.host, names(topology, cluster, node))
    except ValueError as error:
        raise _unreadable(cluster, str(error), "fix the CA, or use another CA") from None


def _file_text(cluster: KafkaCluster, name: str) -> str:
    """The text of a file in the folder of another CA."""
    assert cluster.certificates is not None
    try:
        return (cluster.certificates / name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(
            cluster, str(error), "put the file there, or set `tls: generated`"
        ) from None


def no_authority(cluster: KafkaCluster) -> InputError:
    """The error for a machine without the CA, with the places to get it from."""
    message = f"this machine has no CA of cluster {cluster.model.name} in {cluster.certificates}"
    return InputError(
        [Problem(cluster.node.at("tls").position, "kafka-certificate", message, fix=ORIGIN)]
    )


ORIGIN = (
    "copy that folder from the machine that deployed first, "
    "or set the CA with `tls: {ca: …, key: !vault …}`; "
    "if no broker runs yet, `hactl deploy` creates a CA"
)


def _unreadable(cluster: KafkaCluster, reason: str, fix: str) -> InputError:
    position = cluster.node.at("tls").position
    return InputError(
        [Problem(position, "kafka-certificate", "a certificate cannot be read", reason, fix)]
    )
