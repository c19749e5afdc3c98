"""What the prober writes down. Times are seconds on the client's monotonic clock, which no wall clock moves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProbeService:
    """One virtual service to ask: every request is a new TCP connection, and an HTTP GET of `path` where there is one.

    `name` is for people: `web 192.168.227.10:80`. `host` is the Host of the GET, empty for the address. Instead of a
    GET, `opening` may be `tls` (up to the ServerHello) or `kafka` (ApiVersions).
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
    """One request: `service` is an index, `start` when it was due, whether or not the one before had ended.

    `connect` and `done` are seconds from `start`; None where it never came so far. `error` is empty for a good one,
    else refused, reset, timeout, unreachable or answer (not an HTTP 2xx or 3xx); `done` is then when it failed, None
    for a timeout.
    """

    service: int
    start: float
    connect: float | None
    done: float | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """One long-lived connection: open from `opened`; `lost` is when it broke, None for one that did not.

    `closed` is when the server ended it in good order, between two answers; another was opened in its place. `error`
    says how it was lost: reset, timeout, unreachable or answer (it ended in the middle of one).
    """

    service: int
    opened: float
    lost: float | None = None
    error: str = ""
    closed: float | None = None


@dataclass(frozen=True, slots=True)
class Advert:
    """A VRRP advert seen on the client's wire (RFC 5798 §5.2); `source` is the director's address."""

    at: float
    source: str
    vrid: int
    priority: int
    version: int


@dataclass(frozen=True, slots=True)
class ArpClaim:
    """A gratuitous ARP packet or unsolicited neighbour advertisement: `mac` says that it has `address`."""

    at: float
    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class Recording:
    """All that was written down; requests in the order of their start.

    `wall_jump` is how far the client's wall clock moved against its monotonic one while it ran, in seconds; `late` is
    the greatest delay in seconds with which the prober itself began a request.
    """

    services: tuple[ProbeService, ...]
    requests: tuple[Request, ...] = ()
    connections: tuple[Connection, ...] = ()
    adverts: tuple[Advert, ...] = ()
    claims: tuple[ArpClaim, ...] = ()
    wall_jump: float = 0.0
    late: float = 0.0
