"""VRRP: who holds the virtual addresses, and what makes them move (RFC 5798, keepalived.conf(5))."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from provision.inventory.model.checks import BfdTiming
from provision.inventory.model.text import (
    Address,
    Command,
    Extra,
    FilePath,
    Flag,
    Identifier,
    Integer,
    InterfaceName,
    IpAddress,
    Model,
    Script,
    ScriptLike,
    Seconds,
    Secret,
    Word,
    Words,
    as_field,
    mistake,
)

Weight = Annotated[Integer, Field(ge=-253, le=253)]


class Tracked(Model):
    """What every tracked thing has: how its state changes the priority.

    With weight 0 a failure puts the instance into the FAULT state; `reverse` swaps the sense.
    """

    weight: Weight | None = None
    """Added to the priority while it is well (positive), or subtracted while it is not (negative). 0: failing is FAULT.
    Absent: 0, for files 1."""
    reverse: Flag = False
    """The other way round."""


class TrackInterface(Tracked):
    """A network interface that must be up, besides the instance's own."""

    interface: InterfaceName
    """The interface."""


class TrackScript(Tracked):
    """A command whose exit status counts, run every `interval` seconds."""

    name: Identifier
    """Name of the definition (`vrrp_script`)."""
    script: Command
    """The command; exit status 0 is well."""
    interval: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds between runs. Keepalived's default: 1."""
    timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds after which a run counts as failed. Keepalived's default: `interval`."""
    rise: Annotated[Integer, Field(ge=1)] | None = None
    """Successes in a row before it counts as well. Keepalived's default: 1."""
    fall: Annotated[Integer, Field(ge=1)] | None = None
    """Failures in a row before it counts as failed. Keepalived's default: 1."""
    user: Word | None = None
    """Who it runs as. Absent: `script_user`."""
    group: Word | None = None
    """Group it runs as. Absent: the user's."""
    init_fail: Flag = False
    """Counts as failed until the first success."""
    extra: Extra = ()
    """Lines put into its block as they are (hactl)."""


class TrackProcess(Tracked):
    """A process that must run, watched through the kernel's process events rather than polled."""

    name: Identifier
    """Name of the definition (`vrrp_track_process`)."""
    process: Words
    """Name of the process, with arguments if they are to match as well; matched whole, not as a pattern."""
    param_match: Literal["initial", "partial"] | None = None
    """The first arguments must match (`partial`), or the last may be longer (`initial`)."""
    quorum: Annotated[Integer, Field(ge=0)] | None = None
    """Fewest processes. Keepalived's default: 1."""
    quorum_max: Annotated[Integer, Field(ge=0)] | None = None
    """Most processes; 0 when there must be none."""
    fork_delay: Seconds | None = None
    """Time before a new one counts."""
    terminate_delay: Seconds | None = None
    """Time before an ended one counts."""
    delay: Seconds | None = None
    """Both of these at once."""
    full_command: Flag = False
    """Match the whole command line instead of the process name."""
    extra: Extra = ()
    """Lines put into its block as they are (hactl)."""


class TrackFile(Tracked):
    """A number in a file, multiplied by the weight and added to the priority. `init` is written where it is absent."""

    name: Identifier
    """Name of the definition (`track_file`)."""
    file: FilePath
    """Path of the file on the director."""
    init: Integer | None = None
    """Number written into the file where it does not exist (`init_file`)."""
    init_overwrite: Flag = False
    """Write it also where the file exists (`init_file`, overwrite)."""
    extra: Extra = ()
    """Lines put into its block as they are (hactl)."""


class TrackBfd(BfdTiming, Tracked):
    """A BFD session with a neighbour, usually the router the clients come through."""

    name: Identifier
    """Name of the definition (`bfd_instance`)."""
    neighbor_ip: Address
    """The neighbour's address."""
    source_ip: Address | None = None
    """Own address. Absent: the director's of the neighbour's family."""
    extra: Extra = ()
    """Lines put into its block as they are (hactl)."""


class Notify(Model):
    """The commands to run on a change of state, for an instance and for a sync group alike."""

    notify_master: ScriptLike | None = None
    """Command to run on becoming master."""
    notify_backup: ScriptLike | None = None
    """Command to run on becoming backup."""
    notify_fault: ScriptLike | None = None
    """Command to run on a fault."""
    notify_stop: ScriptLike | None = None
    """Command to run when Keepalived stops."""
    notify_deleted: ScriptLike | None = None
    """Command to run when a reload removes the instance."""
    notify: ScriptLike | None = None
    """Command to run on every change, with INSTANCE or GROUP, the name, the new state and the priority behind its own
    arguments."""
    notify_priority_changes: Flag | None = None
    """Report changes of the priority in the fifos too."""
    smtp_alert: Flag | None = None
    """Mail on every change. Absent: as `keepalived.smtp_alert_vrrp` or `smtp_alert` says, else no."""


class Tracking(Model):
    """Everything that can be tracked, for an instance and for a sync group alike."""

    track_interfaces: tuple[Annotated[TrackInterface, as_field("interface")], ...] = ()
    """Interfaces that must be up (`track_interface`)."""
    track_scripts: tuple[TrackScript, ...] = ()
    """Commands that must succeed (`track_script`)."""
    track_processes: tuple[TrackProcess, ...] = ()
    """Processes that must run (`track_process`)."""
    track_files: tuple[TrackFile, ...] = ()
    """Files whose number counts (`track_file`)."""
    track_bfd: tuple[TrackBfd, ...] = ()
    """Neighbours that must be reachable."""

    def tracked(self) -> Iterator[TrackScript | TrackProcess | TrackFile | TrackBfd]:
        """Everything tracked that has a definition of its own in keepalived.conf."""
        yield from self.track_scripts
        yield from self.track_processes
        yield from self.track_files
        yield from self.track_bfd


class SyncGroup(Notify, Tracking):
    """Options of a group of instances that change state together; front ends join it by `vrrp.sync_group`."""

    name: Identifier
    """Name of the group, as `vrrp.sync_group` has it."""
    extra: Extra = ()
    """Lines put into its block as they are (hactl)."""


class Garp(Model):
    """Gratuitous ARP and unsolicited neighbour advertisements, which move the clients to the new master.

    Delays and refresh in seconds. Absent means the value under `keepalived`, which defaults to a repeat after a
    second and a refresh every minute, for the switch that missed the first ones.
    """

    garp_master_delay: Annotated[Integer, Field(ge=0)] | None = None
    """Time from becoming master to the second round; 0 for none."""
    garp_master_repeat: Annotated[Integer, Field(ge=0)] | None = None
    """Packets a round on becoming master."""
    garp_lower_prio_delay: Annotated[Integer, Field(ge=0)] | None = None
    """Time to the second round after an advert of lower priority."""
    garp_lower_prio_repeat: Annotated[Integer, Field(ge=0)] | None = None
    """Packets a round after an advert of lower priority."""
    garp_master_refresh: Annotated[Integer, Field(ge=0)] | None = None
    """Time between rounds while master; 0 for none."""
    garp_master_refresh_repeat: Annotated[Integer, Field(ge=0)] | None = None
    """Packets of such a round."""


class Unicast(Model):
    """Adverts to the other directors one by one, where multicast does not pass (most clouds).

    The peers are the other directors of the front end; `peers` adds routers that hactl does not manage.
    """

    peers: tuple[Address, ...] = ()
    """Further VRRP routers, by address (`unicast_peer`)."""
    ttl: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """TTL or hop limit of adverts sent (`unicast_ttl`)."""
    min_ttl: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """Lowest TTL of an advert that is accepted."""
    max_ttl: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """Highest TTL of an advert that is accepted."""
    check_source: Flag = True
    """Accept adverts of the peers only (`check_unicast_src`)."""


def _unicast(value: object) -> object:
    """`unicast: true` is unicast with its defaults, `false` is none."""
    return {} if value is True else None if value is False else value


class VirtualMac(Model):
    """A macvlan interface with the virtual router's own MAC address (RFC 5798 §7.3)."""

    interface: InterfaceName | None = None
    """Name of the macvlan interface. Absent: Keepalived's choice, `vrrp.VRID`."""
    xmit_base: Flag = False
    """Send adverts from the interface below it (`vmac_xmit_base`); unicast needs this."""


def _vmac(value: object) -> object:
    return {} if value is True else None if value is False else value


class Vrrp(Garp, Notify, Tracking):
    """The VRRP side of a front end: one instance an address family, the same on all its directors.

    `advert_int` is in seconds. Its default with version 3 is 0.2: a crash of the master is then noticed
    within 3 × 0.2 s plus the skew, (256 − priority)/256 × 0.2 s (RFC 5798 §6.1), at priority 100 in 0.72 s, so
    that an outage stays below a second with room for a retransmission. Version 2 counts whole seconds; there it is 1.
    """

    virtual_router_id: Annotated[Integer, Field(ge=1, le=255)]
    """VRID: one number for all directors of the front end, and of nobody else on this network (RFC 5798 §5.2.3)."""
    version: Literal[2, 3] = 3
    """VRRP version: 3 is RFC 5798, 2 is RFC 3768."""
    advert_int: Annotated[Seconds, Field(ge=0.01, le=255)] | None = None
    """Time between adverts, the same on all directors. Absent: 0.2, with version 2 1 (RFC 5798 §5.2.7)."""
    interface: InterfaceName | None = None
    """Interface for adverts and addresses. Absent: the host's `interface`, else the one with the host's address."""
    auth_type: Literal["PASS", "AH"] = "PASS"
    """Kind of authentication, version 2 only. `AH` is IPsec and not recommended."""
    auth_pass: Secret | None = Field(None, repr=False)
    """Password, version 2 only, at most 8 characters, in clear in every advert. Absent: no authentication."""
    nopreempt: Flag = False
    """A better director that comes back leaves the addresses where they are (RFC 5798 §6.1, Preempt_Mode)."""
    preempt_delay: Annotated[Seconds, Field(le=1000)] | None = None
    """A better director that comes back waits so long before it takes over. Keepalived's default: 0."""
    unicast: Annotated[Unicast | None, BeforeValidator(_unicast)] = None
    """Adverts to each peer instead of multicast."""
    mcast_dst_ip: Address | None = None
    """Multicast group of the adverts. Absent: `keepalived.vrrp_mcast_group4` or `vrrp_mcast_group6`."""
    sync_group: Identifier | None = None
    """Front ends with the same name here change state together (`vrrp_sync_group`). Both families of one front end
    always do."""
    use_vmac: Annotated[VirtualMac | None, BeforeValidator(_vmac)] = None
    """Use the virtual router's own MAC address (RFC 5798 §7.3)."""
    dont_track_primary: Flag = False
    """Ignore it when `interface` goes down."""
    track_src_ip: Flag = False
    """FAULT when the source address of the adverts is gone."""
    promote_secondaries: Flag = False
    """Removing one address of a subnet leaves the others on the interface."""
    accept: Flag | None = None
    """Accept packets to the addresses on the master (`accept`, `no_accept`; RFC 5798 §6.1, Accept_Mode). Absent:
    accept."""
    strict_mode: Flag | None = None
    """Follow the RFC strictly. Absent: as `keepalived.vrrp_strict` says."""
    skip_check_adv_addr: Flag | None = None
    """Do not compare the addresses in adverts of the same master again."""
    down_timer_adverts: Annotated[Integer, Field(ge=1, le=100)] | None = None
    """Missed adverts after which the master is gone. Absent: 3, as RFC 5798 §6.1 says. The same on all directors."""
    lower_prio_no_advert: Flag | None = None
    """As master, do not answer an advert of lower priority."""
    higher_prio_send_advert: Flag | None = None
    """As master, send one more advert on seeing one of higher priority, so that the new master repeats its GARPs."""
    notify_master_rx_lower_pri: ScriptLike | None = None
    """Command to run when a master sees an advert of lower priority."""
    virtual_routes: tuple[Words, ...] = ()
    """Routes that move with the addresses, written as for ip-route(8)."""
    virtual_rules: tuple[Words, ...] = ()
    """Routing rules that move with the addresses, written as for ip-rule(8); give each a `preference`."""
    extra: Extra = ()
    """Lines put into the `vrrp_instance` as they are (hactl)."""

    @property
    def interval(self) -> float:
        """The advert interval in seconds, the default filled in."""
        return self.advert_int if self.advert_int is not None else 0.2 if self.version == 3 else 1.0

    def skew(self, priority: int) -> float:
        """Seconds by which a director of `priority` waits longer than the best one (RFC 5798 §6.1)."""
        return (256 - priority) / 256 * self.interval

    def down_after(self, priority: int) -> float:
        """Seconds without an advert after which a backup of `priority` takes over (RFC 5798 §6.1)."""
        return (self.down_timer_adverts or 3) * self.interval + self.skew(priority)

    @model_validator(mode="after")
    def _consistent(self) -> Vrrp:
        _check_authentication(self)
        if self.version == 2 and not self.interval.is_integer():
            raise mistake(
                "vrrp2-fractional-interval",
                f"`advert_int` {self.interval:g} needs VRRP version 3",
                "version 2 carries whole seconds and rounds, so the directors would disagree (RFC 3768 §5.3.7)",
                "set `version: 3`, or a whole number of seconds",
            )
        if self.version == 3 and self.interval > 40.95:
            raise mistake(
                "out-of-range",
                f"`advert_int` {self.interval:g} is too long for VRRP version 3",
                "its field holds 12 bits of centiseconds (RFC 5798 §5.2.7)",
                "set at most 40.95",
            )
        return self


def _check_authentication(vrrp: Vrrp) -> None:
    """Refuses a password that VRRP would ignore or cut short; the message does not show it."""
    if vrrp.auth_pass is None:
        return
    if vrrp.version == 3:
        raise mistake(
            "vrrp3-auth",
            "`auth_pass` has no effect with VRRP version 3",
            "version 3 dropped authentication (RFC 5798 §9), so this would only look protected",
            "remove it, or set `version: 2` and `advert_int: 1`",
        )
    if len(vrrp.auth_pass.encode()) > 8:
        raise mistake(
            "auth-pass-too-long",
            "`auth_pass` is longer than 8 characters",
            "Keepalived uses the first 8 and ignores the rest (keepalived.conf(5))",
            "shorten it to 8",
        )


__all__ = ["IpAddress", "Script", "SyncGroup", "Vrrp"]
