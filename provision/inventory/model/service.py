"""Virtual services: what is answered on the virtual addresses, and by which real servers (ipvsadm(8))."""

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
    """How `forward: tun` wraps packets. gue needs Linux 5.2 and a port, gre Linux 5.3."""

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
    """What can be said of one real server; absent means what the service says, then Keepalived's default.

    `port` differs from the service's with NAT only. `weight` 0 takes no new connections. Above `uthreshold`
    connections a server gets no more until it is below `lthreshold`.
    """

    address: Address | None = None
    """Its address for this service. Absent: the host's own (hactl)."""
    port: Port | None = None
    """Its port. Absent: the service's. With `dr` and `tun` it must be the service's (ipvsadm(8) -r)."""
    weight: ServerWeight | None = None
    """Its share of new connections; 0 takes none and keeps those it has. Absent: 1 (ipvsadm(8) -w)."""
    forward: Forward | None = None
    """How packets reach it. Absent: as the service says (`lvs_method`)."""
    tunnel: Tunnel | None = None
    """Encapsulation for `forward: tun`. Absent: as the service says."""
    check: Checks | None = None
    """Its own checks in place of the service's; `[]` for none."""
    inhibit_on_failure: Flag | None = None
    """A failed check sets its weight to 0 instead of removing it."""
    uthreshold: Threshold | None = None
    """Connections above which it gets no new ones (ipvsadm(8) -x)."""
    lthreshold: Threshold | None = None
    """Connections below which it gets new ones again. Absent: three quarters of `uthreshold` (ipvsadm(8) -y)."""
    notify_up: ScriptLike | None = None
    """Command to run when it is found alive."""
    notify_down: ScriptLike | None = None
    """Command to run when it is found failed."""
    smtp_alert: Flag | None = None
    """Mail when it changes. Absent: as `keepalived.smtp_alert_checker` or `smtp_alert` says, else yes."""
    virtualhost: Word | None = None
    """Host name of HTTP and SSL checks that have none."""
    snmp_name: Identifier | None = None
    """Its name in SNMP answers."""
    alpha: Flag | None = None
    """Down until the first check succeeds."""
    connect_timeout: Seconds | None = None
    """How long its checks wait for an answer, unless they say so themselves."""
    retry: Annotated[Integer, Field(ge=0)] | None = None
    """How often its checks try again, unless they say so themselves."""
    delay_before_retry: Seconds | None = None
    """Time between these tries, unless the checks say so themselves."""
    warmup: Seconds | None = None
    """Random time before its first check, unless the checks say so themselves."""
    delay_loop: Annotated[Seconds, Field(gt=0)] | None = None
    """Time between its checks, unless the checks say so themselves."""
    extra: Extra = ()
    """Lines put into its `real_server` block as they are (hactl)."""

    def over(self, defaults: RealServerOptions) -> RealServerOptions:
        """These options, with those of `defaults` where none was given here."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return defaults.model_copy(update=given)


class SorryServer(Model):
    """Who answers while too few real servers are alive."""

    address: Address
    """Its address (`sorry_server`)."""
    port: Port | None = None
    """Its port. Absent: the service's."""
    forward: Forward | None = None
    """How packets reach it. Absent: as the service says (`sorry_server_lvs_method`)."""
    tunnel: Tunnel | None = None
    """Encapsulation for `forward: tun`. Absent: as the service says."""
    inhibit: Flag = False
    """Keep it in the table with weight 0 while it is not needed (`sorry_server_inhibit`)."""


def expand_range(text: str) -> tuple[IpAddress, ...]:
    """The addresses of a range as keepalived.conf(5) writes it: `10.0.0.1-9`, `10.0.0.1-10.0.1.9` or `10.0.0.8/29`.

    Raises ValueError when it is none, or holds more than 256 of them.
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


def _range(text: str) -> str:
    try:
        expand_range(text)
    except ValueError:
        raise mistake(
            "wrong-value",
            f"{text!a} is no range of at most 256 addresses",
            "",
            "write `10.0.0.10-20` or `10.0.0.8/29`",
        ) from None
    return text


Range = Annotated[Word, AfterValidator(_range)]


class VirtualServerGroup(Model):
    """Several addresses with the same real servers, checked once: the service's own, and `ranges` of them.

    A range is written `10.0.0.10-20` or `10.0.0.8/29`. With `fwmarks` the group is of these marks alone.
    """

    name: Identifier
    """Name of the group."""
    ranges: tuple[Range, ...] = ()
    """Addresses besides the service's VIPs; whoever routes them must send them to the director."""
    fwmarks: tuple[Annotated[Integer, Field(ge=1)], ...] = ()
    """Firewall marks; the group is then of these alone."""

    @property
    def addresses(self) -> tuple[IpAddress, ...]:
        """Every address of its ranges."""
        return tuple(address for text in self.ranges for address in expand_range(text))


class Service(Model):
    """A virtual service: `port` on the front end's virtual addresses, or a firewall mark, or a group of both.

    Without a port every port is served, which needs persistence. `quorum` is the total weight below which the sorry
    server takes over, `hysteresis` how far above or below it must be to change over. `alpha`: real servers are
    down until checked. Times in seconds.
    """

    vips: tuple[Address, ...] = ()
    """Which of the front end's addresses it is on. Empty: all (hactl)."""
    port: Port | None = None
    """Port clients come to. Absent: every port, which needs persistence (ipvsadm(8) -t)."""
    fwmark: Annotated[Integer, Field(ge=1)] | None = None
    """Serve the packets with this firewall mark instead of a port (ipvsadm(8) -f)."""
    virtual_server_group: Annotated[VirtualServerGroup, as_field("name")] | None = None
    """Serve several addresses or marks as one group."""
    protocol: Literal["tcp", "udp", "sctp"] = "tcp"
    """Transport protocol (ipvsadm(8) -t, -u, --sctp-service)."""
    scheduler: Scheduler = "wlc"
    """Who gets the next connection (ipvsadm(8) -s)."""
    scheduler_flags: tuple[SchedulerFlag, ...] = ()
    """Variants of the scheduler: `sh-port` and the like (ipvsadm(8) -b); `sh-fallback` and `mh-fallback` are set."""
    forward: Forward = "dr"
    """How packets reach the real servers: direct routing, NAT or a tunnel (ipvsadm(8) -g, -m, -i)."""
    tunnel: Tunnel = Tunnel()
    """Encapsulation for `forward: tun`."""
    ops: Flag = False
    """Schedule every UDP packet by itself (ipvsadm(8) -o)."""
    persistence_timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds a client without connections stays with its real server (ipvsadm(8) -p). Absent: not persistent."""
    persistence_engine: Literal["sip"] | None = None
    """Tell clients apart by SIP Call-ID instead of address; persistent for 360 s by itself (ipvsadm(8) --pe)."""
    persistence_granularity: (
        Annotated[str, BeforeValidator(lambda value: _granularity(value))] | None
    ) = None
    """Netmask or IPv6 prefix length within which clients count as one (ipvsadm(8) -M). Absent: each for itself."""
    real_servers: Hosts
    """Who answers: a group, a host, or a list of these (hactl)."""
    real_server_defaults: RealServerOptions = RealServerOptions()
    """Options of all of them (hactl)."""
    real_server_options: dict[str, RealServerOptions] = Field(default_factory=dict)
    """Options by host, over the defaults (hactl)."""
    check: Checks = ()
    """How to find out who is alive; several must all succeed. Empty: nobody looks, all count as alive."""
    quorum: Annotated[Integer, Field(ge=1)] | None = None
    """Total weight of live real servers below which quorum is lost. Keepalived's default: 1."""
    hysteresis: Annotated[Integer, Field(ge=0)] | None = None
    """Quorum is regained at `quorum` plus this, and lost below `quorum` less this. Keepalived's default: 0."""
    quorum_up: ScriptLike | None = None
    """Command to run when quorum is gained."""
    quorum_down: ScriptLike | None = None
    """Command to run when quorum is lost."""
    sorry_server: Annotated[SorryServer, as_field("address")] | None = None
    """Who answers while quorum is lost; the real servers are taken out meanwhile."""
    inhibit_on_failure: Flag = False
    """A failed check sets a weight to 0 instead of removing the real server."""
    alpha: Flag = False
    """Real servers are down until their first check succeeds."""
    omega: Flag = False
    """Run `quorum_down` and `notify_down` when Keepalived stops, too."""
    ha_suspend: Flag = False
    """Check only while this director has the virtual address."""
    delay_loop: Annotated[Seconds, Field(gt=0)] | None = None
    """Time between checks that have no `interval`. Keepalived's default: 60."""
    connect_timeout: Seconds | None = None
    """How long checks wait that have no `timeout`. Keepalived's default: 5."""
    retry: Annotated[Integer, Field(ge=0)] | None = None
    """Further tries of checks that have no `retries`."""
    delay_before_retry: Seconds | None = None
    """Time between tries of checks that have no `delay`."""
    warmup: Seconds | None = None
    """Random time before the first check, for checks that have none of their own."""
    virtualhost: Word | None = None
    """Host name of HTTP and SSL checks that have none."""
    smtp_alert: Flag | None = None
    """Mail when quorum is gained or lost. Absent: as `keepalived.smtp_alert_checker` or `smtp_alert` says, else no."""
    snmp_name: Identifier | None = None
    """Its name in SNMP answers."""
    extra: Extra = ()
    """Lines put into its `virtual_server` block as they are (hactl)."""

    @property
    def flags(self) -> tuple[str, ...]:
        """The scheduler's flags: those of the inventory, and with `sh` and `mh` the fallback.

        Both keep the place of a server whose weight is 0 (kernel, ip_vs_mh.c: `last_weight`) and refuse the clients
        that come to it, unless they may fall back to another: a drain would cost every other connection.
        """
        fallback = f"{self.scheduler}-fallback"
        given = self.scheduler_flags
        needed = self.scheduler in ("sh", "mh") and not {fallback, "flag-1"} & set(given)
        return (*given, fallback) if needed else given

    @property
    def persistent(self) -> bool:
        """Whether a client stays with its real server."""
        return self.persistence_timeout is not None

    @model_validator(mode="after")
    def _consistent(self) -> Service:
        if self.fwmark is not None and (
            self.port is not None or self.virtual_server_group is not None
        ):
            raise mistake(
                "service-two-selectors",
                "a service has a `port`, a `fwmark` or a `virtual_server_group`, one of them",
                "it would be unclear what it serves",
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
                "IPVS takes port 0 for every port only then (ipvsadm(8), -t)",
                "set `port`, or `persistence_timeout`",
            )
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
        """The firewall marks it is selected by, its own or its group's."""
        group = self.virtual_server_group
        return (self.fwmark,) if self.fwmark is not None else group.fwmarks if group else ()


def _granularity(value: object) -> object:
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
