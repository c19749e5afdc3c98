"""The model of a virtual service and its real servers (ipvsadm(8))."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from provision.inventory.model.checks import Checks
from provision.inventory.model.text import (
    Address,
    Extra,
    Flag,
    Identifier,
    Integer,
    IpAddress,
    Model,
    Port,
    ScriptLike,
    Seconds,
    Word,
    as_field,
    as_list,
    mistake,
)

Scheduler = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh"
]
Forward = Literal["dr", "nat", "tun"]
SchedulerFlag = Literal[
    "flag-1", "flag-2", "flag-3", "sh-port", "sh-fallback", "mh-port", "mh-fallback"
]
Hosts = Annotated[tuple[Word, ...], BeforeValidator(as_list), Field(min_length=1)]
ServerWeight = Annotated[Integer, Field(ge=0, le=65535)]
Threshold = Annotated[Integer, Field(ge=0, le=65535)]


class Tunnel(Model):
    """Encapsulation of packets with `forward: tun`. gue needs Linux 5.2 and a port, gre Linux
    5.3."""

    type: Literal["ipip", "gue", "gre"] = "ipip"
    """Encapsulation (ipvsadm(8) --tun-type)."""
    port: Port | None = None
    """UDP port of GUE (ipvsadm(8) --tun-port)."""
    checksum: Literal["nocsum", "csum", "remcsum"] | None = None
    """Checksums of the outer packets (ipvsadm(8) --tun-nocsum, --tun-csum, --tun-remcsum)."""

    @model_validator(mode="after")
    def _consistent(self) -> Tunnel:
        if (self.type == "gue") != (self.port is not None):
            raise mistake(
                "tunnel-port",
                f"a {self.type} tunnel {'needs a' if self.type == 'gue' else 'has no'} `port`",
                "only GUE runs over UDP",
                "set `port` with `type: gue` and only there",
            )
        if self.checksum and (
            self.type == "ipip" or (self.type == "gre" and self.checksum == "remcsum")
        ):
            raise mistake(
                "tunnel-checksum",
                f"a {self.type} tunnel has no `{self.checksum}`",
                "see ipvsadm(8)",
                "leave `checksum` out, or use gue",
            )
        return self


class RealServerOptions(Model):
    """Options of a real server. An absent option takes the service's value, else Keepalived's
    default.

    `port` differs from the service's with NAT only. A server with `weight` 0 gets no new
    connections. Above `uthreshold` connections a server gets no more until it is below
    `lthreshold`.
    """

    address: Address | None = None
    """Address of the real server for this service. Absent: the host's (hactl)."""
    port: Port | None = None
    """Port of the real server. Absent: the service's. With `dr` and `tun` it must be the service's
    (ipvsadm(8) -r)."""
    weight: ServerWeight | None = None
    """Weight in the distribution of new connections. A server with 0 gets no new connections and
    keeps the open ones. Absent: 1 (ipvsadm(8) -w)."""
    forward: Forward | None = None
    """Forwarding method. Absent: the service's (`lvs_method`)."""
    tunnel: Tunnel | None = None
    """Encapsulation for `forward: tun`. Absent: the service's."""
    check: Checks | None = None
    """Checks in place of the service's; `[]` for no checks."""
    inhibit_on_failure: Flag | None = None
    """A failed check sets the server's weight to 0 instead of removing the server."""
    uthreshold: Threshold | None = None
    """Number of connections above which the server gets no new ones (ipvsadm(8) -x)."""
    lthreshold: Threshold | None = None
    """Number of connections below which the server gets new ones again. Absent: three quarters of
    `uthreshold` (ipvsadm(8) -y)."""
    notify_up: ScriptLike | None = None
    """Command that runs when the server becomes alive."""
    notify_down: ScriptLike | None = None
    """Command that runs when the server fails."""
    smtp_alert: Flag | None = None
    """Mail when the server's state changes. Absent: `keepalived.smtp_alert_checker`, else
    `keepalived.smtp_alert`, else yes."""
    virtualhost: Word | None = None
    """Host name of HTTP and SSL checks that have none."""
    snmp_name: Identifier | None = None
    """Name in SNMP answers."""
    alpha: Flag | None = None
    """The server is down until its first check succeeds."""
    connect_timeout: Seconds | None = None
    """Time-out of the server's checks that have none."""
    retry: Annotated[Integer, Field(ge=0)] | None = None
    """Retries of the server's checks that have no number of retries."""
    delay_before_retry: Seconds | None = None
    """Time between the retries of the server's checks that have no `delay`."""
    warmup: Seconds | None = None
    """Longest random delay before the server's first check, for checks that have no `warmup`."""
    delay_loop: Annotated[Seconds, Field(gt=0)] | None = None
    """Time between the server's checks that have no `interval`."""
    extra: Extra = ()
    """Lines that are copied into the `real_server` block unchanged (hactl)."""

    def over(self, defaults: RealServerOptions) -> RealServerOptions:
        """These options, with the values of `defaults` for the options that were not given."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return defaults.model_copy(update=given)


class SorryServer(Model):
    """The sorry server, which answers while too few real servers are alive."""

    address: Address
    """Address of the sorry server (`sorry_server`)."""
    port: Port | None = None
    """Port of the sorry server. Absent: the service's."""
    forward: Forward | None = None
    """Forwarding method. Absent: the service's (`sorry_server_lvs_method`)."""
    tunnel: Tunnel | None = None
    """Encapsulation for `forward: tun`. Absent: the service's."""
    inhibit: Flag = False
    """Keep the idle sorry server in the table with weight 0 (`sorry_server_inhibit`)."""


def expand_range(text: str) -> tuple[IpAddress, ...]:
    """The addresses of a range in keepalived.conf(5)'s notation.

    The notations are `10.0.0.1-9`, `10.0.0.1-10.0.1.9` and `10.0.0.8/29`. Raises ValueError if the
    text is no range, or if the range has more than 256 addresses.
    """
    low_text, dash, high_text = text.partition("-")
    if dash:
        low = ipaddress.ip_address(low_text)
        separator = ":" if low.version == 6 else "."
        if separator not in high_text:
            high_text = low_text.rpartition(separator)[0] + separator + high_text
        high = ipaddress.ip_address(high_text)
    else:
        network = ipaddress.ip_network(text, strict=False)
        low, high = network.network_address, network.broadcast_address
    if low.version != high.version or not 0 <= int(high) - int(low) < 256:
        raise ValueError(text)
    return tuple(type(low)(number) for number in range(int(low), int(high) + 1))


def _checked_range(text: str) -> str:
    try:
        expand_range(text)
    except ValueError:
        raise mistake(
            "wrong-value",
            f"{text!a} is not a range of at most 256 addresses",
            "",
            "write `10.0.0.10-20` or `10.0.0.8/29`",
        ) from None
    return text


Range = Annotated[Word, AfterValidator(_checked_range)]


class VirtualServerGroup(Model):
    """Addresses with the same real servers, which are checked only once.

    The group has the service's addresses and those of `ranges`. A range is written `10.0.0.10-20`
    or `10.0.0.8/29`. A group with `fwmarks` has only these marks.
    """

    name: Identifier
    """Name of the group."""
    ranges: tuple[Range, ...] = ()
    """Addresses besides the service's VIPs. Your routers must send them to the director."""
    fwmarks: tuple[Annotated[Integer, Field(ge=1)], ...] = ()
    """Firewall marks. The group then has only these."""

    @property
    def addresses(self) -> tuple[IpAddress, ...]:
        """The addresses of all ranges."""
        return tuple(address for text in self.ranges for address in expand_range(text))


class Service(Model):
    """A virtual service: a `port` on the front end's addresses, a firewall mark, or a group of
    both.

    A service without a port serves every port, which needs persistence. The sorry server takes over
    when the total weight falls below `quorum`. `hysteresis` is the distance from `quorum` at which
    the state changes. With `alpha`, real servers are down until their first check succeeds. Times
    are in seconds.
    """

    vips: tuple[Address, ...] = ()
    """The front end's addresses that the service is on. Empty: all (hactl)."""
    port: Port | None = None
    """Port that clients connect to. Absent: every port, which needs persistence (ipvsadm(8) -t)."""
    fwmark: Annotated[Integer, Field(ge=1)] | None = None
    """Serve packets with this firewall mark instead of a port (ipvsadm(8) -f)."""
    virtual_server_group: Annotated[VirtualServerGroup, as_field("name")] | None = None
    """Serve several addresses or marks as one group."""
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    """Transport protocol (ipvsadm(8) -t, -u, --sctp-service)."""
    scheduler: Scheduler = "wlc"
    """Scheduler, which selects the real server for a connection (ipvsadm(8) -s)."""
    scheduler_flags: tuple[SchedulerFlag, ...] = ()
    """Flags of the scheduler, such as `sh-port` (ipvsadm(8) -b). hactl adds `sh-fallback` and
    `mh-fallback` itself."""
    forward: Forward = "dr"
    """Forwarding method: direct routing, NAT or a tunnel (ipvsadm(8) -g, -m, -i)."""
    tunnel: Tunnel = Tunnel()
    """Encapsulation for `forward: tun`."""
    ops: Flag = False
    """Schedule every UDP packet separately (ipvsadm(8) -o)."""
    persistence_timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds for which a client without connections keeps its real server (ipvsadm(8) -p). Absent:
    not persistent."""
    persistence_engine: Literal["sip"] | None = None
    """Distinguish clients by SIP Call-ID instead of address; alone, it makes the service persistent
    for 360 s (ipvsadm(8) --pe)."""
    persistence_granularity: (
        Annotated[str, BeforeValidator(lambda value: _checked_granularity(value))] | None
    ) = None
    """Netmask or IPv6 prefix length of the network whose clients share a real server (ipvsadm(8)
    -M). Absent: clients are separate."""
    real_servers: Hosts
    """The real servers: a group, a host, or a list of these (hactl)."""
    real_server_defaults: RealServerOptions = RealServerOptions()
    """Options of all real servers (hactl)."""
    real_server_options: dict[str, RealServerOptions] = Field(default_factory=dict)
    """Options by host. They override the defaults (hactl)."""
    check: Checks = ()
    """Health checks of the real servers; with several, all must succeed. Empty: no checks, and all
    servers count as alive."""
    quorum: Annotated[Integer, Field(ge=1)] | None = None
    """Total weight of live real servers below which the quorum is lost. Keepalived's default: 1."""
    hysteresis: Annotated[Integer, Field(ge=0)] | None = None
    """The quorum is regained at `quorum` plus `hysteresis` and lost below `quorum` minus
    `hysteresis`. Keepalived's default: 0."""
    quorum_up: ScriptLike | None = None
    """Command that runs when the quorum is gained."""
    quorum_down: ScriptLike | None = None
    """Command that runs when the quorum is lost."""
    sorry_server: Annotated[SorryServer, as_field("address")] | None = None
    """Server that answers while the quorum is lost; the real servers leave the table meanwhile."""
    inhibit_on_failure: Flag = False
    """A failed check sets a real server's weight to 0 instead of removing the server."""
    alpha: Flag = False
    """Real servers are down until their first check succeeds."""
    omega: Flag = False
    """Run `quorum_down` and `notify_down` when Keepalived stops as well."""
    ha_suspend: Flag = False
    """Check only while this director holds the virtual address."""
    delay_loop: Annotated[Seconds, Field(gt=0)] | None = None
    """Time between checks that have no `interval`. Keepalived's default: 60."""
    connect_timeout: Seconds | None = None
    """Time-out of checks that have no `timeout`. Keepalived's default: 5."""
    retry: Annotated[Integer, Field(ge=0)] | None = None
    """Retries of checks that have no `retries`."""
    delay_before_retry: Seconds | None = None
    """Time between retries of checks that have no `delay`."""
    warmup: Seconds | None = None
    """Longest random delay before the first check, for checks that have no `warmup`."""
    virtualhost: Word | None = None
    """Host name of HTTP and SSL checks that have none."""
    smtp_alert: Flag | None = None
    """Mail when the quorum is gained or lost. Absent: `keepalived.smtp_alert_checker`, else
    `keepalived.smtp_alert`, else no."""
    snmp_name: Identifier | None = None
    """Name in SNMP answers."""
    extra: Extra = ()
    """Lines that are copied into the `virtual_server` block unchanged (hactl)."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The scheduler's flags of the inventory, and with `sh` and `mh` the fallback.

        Both schedulers keep the hash slots of a server with weight 0 (kernel, ip_vs_mh.c:
        `last_weight`). They refuse the clients of these slots unless the fallback is set. Without
        it, a drain would fail the connections of these clients.
        """
        fallback = f"{self.scheduler}-fallback"
        given = self.scheduler_flags
        needed = self.scheduler in ("sh", "mh") and not {fallback, "flag-1"} & set(given)
        return (*given, fallback) if needed else given

    @property
    def persistent(self) -> bool:
        """Whether a client keeps its real server."""
        return self.persistence_timeout is not None

    @model_validator(mode="after")
    def _single_selector(self) -> Service:
        if self.fwmark is not None and (
            self.port is not None or self.virtual_server_group is not None
        ):
            raise mistake(
                "service-two-selectors",
                "a service has only one of `port`, `fwmark` and `virtual_server_group`",
                "with more than one, the traffic of the service is ambiguous",
                "make two services of it",
            )
        group = self.virtual_server_group
        if group and group.fwmarks and (self.port is not None or group.ranges):
            raise mistake(
                "service-two-selectors",
                "a group has `fwmarks`, or a `port` and addresses, not both",
                "a mark stands for any port, and real servers have one port or any",
                "make two services of it",
            )
        if self.serves_any_port and not self.persistent:
            raise mistake(
                "port-missing",
                "a service without a `port` must be persistent",
                "IPVS treats port 0 as every port only then (ipvsadm(8), -t)",
                "set `port`, or `persistence_timeout`",
            )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Service:
        if not self.persistent and (self.persistence_engine or self.persistence_granularity):
            raise mistake(
                "persistence-without-timeout",
                "`persistence_engine` and `persistence_granularity` need a timeout",
                "without one the service is not persistent",
                "set `persistence_timeout`",
            )
        if self.hysteresis is not None and self.hysteresis >= (self.quorum or 1):
            raise mistake(
                "hysteresis-too-large",
                f"`hysteresis` {self.hysteresis} must be below `quorum` {self.quorum or 1}",
                "quorum could never be lost",
                "raise `quorum` or lower `hysteresis`",
            )
        if self.ops and self.protocol != "udp":
            raise mistake(
                "ops-not-udp",
                "`ops` is for UDP",
                "one-packet scheduling has no connections (ipvsadm(8), -o)",
                "remove it",
            )
        return self

    @property
    def serves_any_port(self) -> bool:
        """Whether it serves every port of its addresses."""
        return self.port is None and not self.marks

    @property
    def marks(self) -> tuple[int, ...]:
        """The firewall marks of the service or of its group."""
        group = self.virtual_server_group
        return (self.fwmark,) if self.fwmark is not None else group.fwmarks if group else ()


def _checked_granularity(value: object) -> object:
    """An IPv4 netmask or an IPv6 prefix length, as text."""
    text = str(value)
    try:
        if text.isdecimal() and 1 <= int(text) <= 128:
            return text
        ipaddress.IPv4Network(f"0.0.0.0/{text}")
    except ValueError:
        raise mistake(
            "wrong-value",
            "`persistence_granularity` is a netmask",
            "",
            "write `255.255.255.0`, or for IPv6 `64`",
        ) from None
    return text
