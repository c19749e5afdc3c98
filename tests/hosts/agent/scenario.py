"""A transaction with an op of every kind, and what it must not leave behind."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import Transaction, prepare
from provision.hosts.protocol import LedgerEntry, encode_ledger
from tests.hosts.agent.local import GROUP, ME, LocalHost

CONFIG = b"new \x00 bytes\xff\n"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def begin(host: LocalHost, ops: Sequence[Op], *files: bytes, deadline: int = 60) -> Transaction:
    transaction = prepare(host, build_payload(ops, files), "kim@ops", "digest", deadline)
    transaction.apply()
    return transaction


def stage(number: int, path: str, mode: str = "0640", validate: str = "") -> Op:
    return Op("stage", (str(number), path, mode, ME, GROUP, validate))


def install(path: str, observed: str = "absent", validate: str = "") -> list[Op]:
    return [stage(1, path, validate=validate), Op("file", ("1", path, observed))]


def everything(host: LocalHost) -> list[Op]:
    """Return an op of every kind, and prepare the host. Files: CONFIG, a unit file, a ledger."""
    host.write("etc/k.conf", "old\n").chmod(0o600)
    host.write("etc/gone", "bye\n").chmod(0o604)
    host.unit("k.service")
    host.unit("old.service")
    host.unit("v.service", active="", enabled="")
    host.write(
        "run/hactl/loaded/k.service", f"inv77 0\n{sha(b'old' + bytes([10]))} /etc/k.conf\n"
    ).chmod(0o600)
    return [
        Op("package", ("nginx",)),
        stage(1, "/etc/k.conf", "0640"),
        stage(2, "/etc/systemd/new/v.service", "0644"),
        Op("module", ("ip_vs",)),
        Op("sysctl", ("net.ipv4.ip_forward", "1")),
        Op("file", ("1", "/etc/k.conf", sha(b"old\n"))),
        Op("file", ("2", "/etc/systemd/new/v.service", "absent")),
        Op("remove", ("/etc/gone", sha(b"bye\n"))),
        Op("address", ("add", "192.168.227.10/32", "lo", "lo:0")),
        Op("address", ("del", "192.168.227.20/32", "lo", "")),
        Op("unit", ("", "daemon-reload")),
        Op("unit", ("old.service", "stop")),
        Op("unit", ("old.service", "disable")),
        Op("unit", ("v.service", "enable")),
        Op("unit", ("v.service", "start")),
        Op("unit", ("k.service", "reload")),
        Op("unit", ("k.service", "stamp", "/etc/k.conf")),
        Op("ledger", ("3",)),
    ]


LEDGER = encode_ledger([LedgerEntry("file", "/etc/k.conf", (sha(CONFIG),))])
FILES = (CONFIG, b"[Service]\n", LEDGER)


def leftovers(host: LocalHost) -> list[str]:
    paths = [str(path.relative_to(host.root)) for path in host.root.rglob("*")]
    return [
        path
        for path in paths
        if ".hactl" in path
        or "hactl/run-" in path
        or "hactl-undo" in path
        or "run/hactl/lock" in path
    ]
