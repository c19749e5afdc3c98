"""The state of a running host: addresses, listeners, VRRP, IPVS. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.formats import endpoint
from provision.formats.ip_addr import LiveAddress


@dataclass(frozen=True)
class Listener:
    """A socket that accepts connections or datagrams. `address` is `*` for a wildcard address.

    `unit` is the systemd unit that owns it, empty for none. `family` is 4 or 6, or 0 for both.
    """

    protocol: str
    address: str
    port: int
    unit: str = ""
    family: int = 0


@dataclass(frozen=True)
class VrrpInstance:
    """A VRRP instance as Keepalived reports it. `priority` is the effective priority.

    Counters begin at Keepalived's start. `errors` is the number of refused packets: wrong TTL,
    checksum, address list, advert interval, authentication or version. `since` is the beginning of
    its state, in seconds since the epoch by the host's clock, 0 for unknown.
    """

    name: str
    interface: str
    vrid: int
    state: str
    priority: int
    vips: tuple[str, ...]
    advert_int: float
    adverts_received: int = 0
    adverts_sent: int = 0
    became_master: int = 0
    released_master: int = 0
    errors: int = 0
    base_priority: int = 0
    version: int = 0
    since: float = 0.0


@dataclass(frozen=True)
class LiveServer:
    """A real server in the kernel's table, and its connections. `address` has no port."""

    address: str
    port: int
    forward: str
    weight: int
    active: int
    inactive: int

    @property
    def place(self) -> str:
        """The address and port as ipvsadm writes them: `192.0.2.3:80`, `[fd00::3]:80`."""
        return endpoint.join(self.address, self.port)


@dataclass(frozen=True)
class LiveService:
    """A virtual service in the kernel's table. `selector` is ipvsadm's: `-t HOST:PORT`, `-f 1`."""

    selector: str
    scheduler: str
    servers: tuple[LiveServer, ...]


@dataclass(frozen=True)
class LiveSyncDaemon:
    """A connection-sync daemon of the kernel. `role` is master or backup."""

    role: str
    interface: str
    sync_id: int


@dataclass(frozen=True)
class LiveUnit:
    """A systemd unit: systemctl's words for its states, and its main process (0: none)."""

    name: str
    active: str
    enabled: str
    main_pid: int = 0


@dataclass(frozen=True)
class LiveHost:
    """The state of a host, read by one look that took `seconds`.

    `clock` is its wall clock minus the controller's at the same moment, in seconds, exact to half
    of `round_trip`. `macs` maps interfaces to hardware addresses; `carriers` says whether their
    link is up. `sysctls` maps dotted names to values. `drained` maps the real servers that are
    drained on this director to the operator and the time. `drained_by` has the operator and the
    time if the director itself is drained, else it is empty. `ipvs_saved` has the lines of
    `ipvsadm --save --numeric`. `vrrp` is empty if no Keepalived answers.
    """

    host: str
    clock: float
    round_trip: float
    boot_id: str
    seconds: float
    macs: Mapping[str, str] = field(default_factory=dict)
    carriers: Mapping[str, bool] = field(default_factory=dict)
    addresses: tuple[LiveAddress, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    listeners: tuple[Listener, ...] = ()
    units: Mapping[str, LiveUnit] = field(default_factory=dict)
    vrrp: tuple[VrrpInstance, ...] = ()
    ipvs_saved: tuple[str, ...] = ()
    services: tuple[LiveService, ...] = ()
    sync: tuple[LiveSyncDaemon, ...] = ()
    drained: Mapping[str, str] = field(default_factory=dict)
    drained_by: str = ""

    def holds(self, address: str) -> bool:
        """Whether it has `address` on an interface other than the loopback."""
        return any(entry.address == address and entry.interface != "lo" for entry in self.addresses)


@dataclass(frozen=True)
class LiveFinding:
    """A problem that a check found: the host, the problem, the evidence and the fix.

    `host` is empty for a problem of several hosts together.
    """

    check: str
    host: str
    what: str
    evidence: str = ""
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.host}: " if self.host else ""
        return place + "; ".join(part for part in (self.what, self.evidence, self.fix) if part)
