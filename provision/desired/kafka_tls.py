"""The certificates of a cluster by the inventory: who signs them, what clients trust, what each node is called.

Nothing is written here. Where `tls: generated` and no deploy has kept a CA on this machine, contents are NOT_KNOWN.
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
    """All that clients and other nodes may call a node: a client that bootstraps through the VIP calls it that."""
    own = (str(address) for address in topology.hosts[node.host].address)
    bootstraps = cluster.bootstraps(topology.frontends) if node.broker else ()
    return frozenset([node.endpoint, *own, *bootstraps])


def authority(cluster: KafkaCluster) -> Authority | None:
    """The CA that signs here; None where none is on this machine yet, and where somebody else makes the certificates.

    Raises:
        InputError: `kafka-certificate`, where a part of it cannot be read.
    """
    tls, folder = cluster.model.tls, cluster.certificates
    if tls is None or folder is None or not tls.signs or cluster.new_authority is not None:
        return cluster.new_authority
    try:
        if tls.ca is None or tls.key is None:
            return load_authority(folder)
        return Authority(_text(cluster, "ca", tls.ca), _text(cluster, "key", tls.key))
    except (OSError, UnicodeDecodeError) as error:
        fix = "put it there, or give its text in the inventory: `ca` as it is, `key` as `!vault`"
        raise _unreadable(cluster, str(error), fix) from None
    except HactlError as error:
        raise _unreadable(cluster, error.message, error.hint) from None


def _text(cluster: KafkaCluster, name: str, value: str) -> str:
    """The text in PEM, or that of the file which is named, beside the inventory; a secret names no file.

    Raises:
        InputError: `kafka-ca`, where a secret is no text in PEM: as a file's name it would be repeated.
    """
    if PEM in value:
        return value
    node = cluster.node.at("tls", name)
    if any(node.secrets()):
        what, fix = (
            f"the secret in `{name}` is no text in PEM",
            "encrypt the whole file, from its line -----BEGIN on",
        )
        raise InputError([Problem(node.position, "kafka-ca", what, fix=fix)])
    assert cluster.certificates is not None
    return (cluster.certificates / value).read_text()


def missing(cluster: KafkaCluster) -> bool:
    """Whether a deploy would have to make the CA: none is kept on this machine. Raises InputError as `authority`."""
    tls = cluster.model.tls
    return tls is not None and tls.signs and authority(cluster) is None


def trusted(cluster: KafkaCluster) -> str:
    """What clients of the cluster trust, as PEM.

    Raises:
        InputError: `kafka-certificate`, where this machine does not have it.
    """
    if missing(cluster):
        raise no_authority(cluster)
    return trusted_or_unknown(cluster)


def trusted_or_unknown(cluster: KafkaCluster) -> str:
    """The same; NOT_KNOWN where no deploy has made the CA on this machine."""
    signing = authority(cluster)
    if signing is not None:
        return signing.trusted
    return f"{NOT_KNOWN}\n" if missing(cluster) else _given(cluster, "ca.pem")


def certificate(topology: Topology, cluster: KafkaCluster, node: KafkaNode) -> str:
    """The node's key and chain, as PEM; NOT_KNOWN where no deploy has made the CA on this machine.

    Raises:
        InputError: `kafka-certificate`, where they cannot be had.
    """
    if missing(cluster):
        return f"{NOT_KNOWN}\n"
    signing = authority(cluster)
    if signing is None:
        return _given(cluster, f"{node.host}.pem")
    try:
        return issue(signing, node.host, names(topology, cluster, node))
    except ValueError as error:
        raise _unreadable(cluster, str(error), "mend the CA, or give another") from None


def _given(cluster: KafkaCluster, name: str) -> str:
    """A file of the folder that somebody else fills."""
    assert cluster.certificates is not None
    try:
        return (cluster.certificates / name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(cluster, str(error), "put it there, or set `tls: generated`") from None


def no_authority(cluster: KafkaCluster) -> InputError:
    """That this machine lacks the CA, and where it must come from."""
    what = f"this machine has no CA of cluster {cluster.model.name} in {cluster.certificates}"
    return InputError(
        [Problem(cluster.node.at("tls").position, "kafka-certificate", what, fix=ORIGIN)]
    )


ORIGIN = (
    "copy that folder from the machine that deployed first, or give the CA with `tls: {ca: …, key: !vault …}`; "
    "where no broker runs yet, `hactl deploy` makes one"
)


def _unreadable(cluster: KafkaCluster, why: str, fix: str) -> InputError:
    place = cluster.node.at("tls").position
    return InputError(
        [Problem(place, "kafka-certificate", "a certificate cannot be read", why, fix)]
    )
