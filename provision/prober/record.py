"""The prober's records. Times are seconds on the client's monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeService:
    """A virtual service: every request is a new TCP connection, with a GET of `path` if set.

    `name` is for operators: `web 192.168.227.10:80`. `host` is the Host of the GET, empty for the
    address. `opening` replaces the GET: `tls` (up to the ServerHello) or `kafka` (ApiVersions).
    """

    frontend: str
    name: str
    address: str
    port: int
    path: str | None = None
    host: str = ""
    opening: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `service` is an index. `start` is the time at which it was due.

    `connect` and `done` are seconds from `start`, None for an event that has not happened. `error`
    is empty for a good request, else refused, reset, timeout, unreachable or answer (not an HTTP
    2xx or 3xx). `done` is then the time of the failure, None for a timeout.
    """

    service: int
    start: float
    connect: float | None
    done: float | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """One long-lived connection, open from `opened`. `lost` is the time of its loss, or None.

    `closed` is the time at which the server closed it in good order, between two answers; the
    prober then opened another. `error` is the kind of loss: reset, timeout, unreachable, or answer
    (it ended in the middle of an answer).
    """

    service: int
    opened: float
    lost: float | None = None
    error: str = ""
    closed: float | None = None


@dataclass(frozen=True, slots=True)
class Advert:
    """A VRRP advert on the client's network (RFC 5798 §5.2). `source` is the director's address."""

    at: float
    source: str
    vrid: int
    priority: int
    version: int


@dataclass(frozen=True, slots=True)
class ArpClaim:
    """A gratuitous ARP packet or unsolicited neighbour advertisement: `mac` claims `address`."""

    at: float
    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class Recording:
    """All records of a run. The requests are in the order of their start.

    `wall_jump` is the change of the client's wall clock against its monotonic clock during the run,
    in seconds. `late` is the prober's own greatest delay in beginning a request, in seconds.
    """

    services: tuple[ProbeService, ...]
    requests: tuple[Request, ...] = ()
    connections: tuple[Connection, ...] = ()
    adverts: tuple[Advert, ...] = ()
    claims: tuple[ArpClaim, ...] = ()
    wall_jump: float = 0.0
    late: float = 0.0
