"""A running host as it was found: addresses, listeners, VRRP, IPVS. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provision.formats import endpoint
from provision.formats.ip_addr import LiveAddress


@dataclass(frozen=True)
class Listener:
    """A socket that takes connections or datagrams; `address` is `*` for a wildcard of either family.

    `unit` is the systemd unit that owns it, empty where none does. `family` is 4 or 6 where it takes only that.
    """

    protocol: str
    address: str
    port: int
    unit: str = ""
    family: int = 0


@dataclass(frozen=True)
class VrrpInstance:
    """A VRRP instance as its Keepalived reports it; `priority` is the effective one, advert counters count from start.

    `errors` sums the packets refused: wrong TTL, checksum, address list, advert interval, authentication, version.
    `since` is when it took its state, in seconds since the epoch by the host's clock, 0 where it does not say.
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
    """A real server in the kernel's table, with its connections; `address` has no port."""

    address: str
    port: int
    forward: str
    weight: int
    active: int
    inactive: int

    @property
    def place(self) -> str:
        """Where it is, as ipvsadm writes it: `192.168.227.103:80`, `[fd00::3]:80`."""
        return endpoint.join(self.address, self.port)


@dataclass(frozen=True)
class LiveService:
    """A virtual service in the kernel's table; `selector` is ipvsadm's: `-t 192.168.227.10:80`, `-f 1`."""

    selector: str
    scheduler: str
    servers: tuple[LiveServer, ...]


@dataclass(frozen=True)
class LiveSyncDaemon:
    """A connection-sync daemon of the kernel; `role` is master or backup."""

    role: str
    interface: str
    sync_id: int


@dataclass(frozen=True)
class LiveUnit:
    """A systemd unit: `active` and `enabled` as systemctl says, its main process (0: none)."""

    name: str
    active: str
    enabled: str
    main_pid: int = 0


@dataclass(frozen=True)
class LiveHost:
    """A host as it was found by one look, which took `seconds`.

    `clock` is its wall clock minus the controller's at the same moment, in seconds, and exact to half of `round_trip`.
    `macs` maps interfaces to hardware addresses, `carriers` to whether the link is up. `sysctls` maps dotted names to
    values. `drained` are the real servers that are drained on this director, with who did it and when; `out` says the
    same of the director itself, empty where it is in service. `ipvs_saved` are the lines of `ipvsadm --save
    --numeric`. `vrrp` is empty where no Keepalived answers.
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
    out: str = ""

    def holds(self, address: str) -> bool:
        """Whether it has `address` on an interface other than the loopback."""
        return any(own.address == address and own.interface != "lo" for own in self.addresses)


@dataclass(frozen=True)
class LiveFinding:
    """Something that is not as it should be: which check found it, where, what and how it is known, what to do.

    `host` is empty for what no single host is to blame for.
    """

    check: str
    host: str
    what: str
    evidence: str = ""
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.host}: " if self.host else ""
        return place + "; ".join(part for part in (self.what, self.evidence, self.fix) if part)
