"""The model of VRRP: the election of the master, and its triggers (RFC 5798,
keepalived.conf(5))."""

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
    as_switch,
    mistake,
)

Weight = Annotated[Integer, Field(ge=-253, le=253)]


class Tracked(Model):
    """Fields of every tracked object: the effect of its state on the priority.

    With weight 0, a failure puts the instance into the FAULT state. `reverse` inverts the state.
    """

    weight: Weight | None = None
    """A positive weight is added to the priority while the state is good; a negative weight is
    subtracted while it is bad. With 0, a failure means FAULT. Absent: 0, for files 1."""
    reverse: Flag = False
    """Invert the state."""


class TrackInterface(Tracked):
    """A network interface that must be up, besides the instance's interface."""

    interface: InterfaceName
    """The interface."""


class TrackScript(Tracked):
    """A command that runs every `interval` seconds; its exit status is the state."""

    name: Identifier
    """Name of the definition (`vrrp_script`)."""
    script: Command
    """The command. Exit status 0 means success."""
    interval: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds between runs. Keepalived's default: 1."""
    timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds after which an unfinished run counts as failed. Keepalived's default: `interval`."""
    rise: Annotated[Integer, Field(ge=1)] | None = None
    """Successes in a row before the state is good. Keepalived's default: 1."""
    fall: Annotated[Integer, Field(ge=1)] | None = None
    """Failures in a row before the state is bad. Keepalived's default: 1."""
    user: Word | None = None
    """User that runs the command. Absent: `script_user`."""
    group: Word | None = None
    """Group that runs the command. Absent: the user's."""
    init_fail: Flag = False
    """The state is bad until the first success."""
    extra: Extra = ()
    """Lines that are copied into its block unchanged (hactl)."""


class TrackProcess(Tracked):
    """A process that must run. Keepalived uses the kernel's process events and does not poll."""

    name: Identifier
    """Name of the definition (`vrrp_track_process`)."""
    process: Words
    """Name of the process, with arguments if they must match as well. It is no pattern: the whole
    name must match."""
    param_match: Literal["initial", "partial"] | None = None
    """`partial`: only the first arguments must match. `initial`: the last argument may be
    longer."""
    quorum: Annotated[Integer, Field(ge=0)] | None = None
    """Minimum number of processes. Keepalived's default: 1."""
    quorum_max: Annotated[Integer, Field(ge=0)] | None = None
    """Maximum number of processes; 0 if none may run."""
    fork_delay: Seconds | None = None
    """Time before a new process counts."""
    terminate_delay: Seconds | None = None
    """Time before an ended process counts."""
    delay: Seconds | None = None
    """Both `fork_delay` and `terminate_delay`."""
    full_command: Flag = False
    """Match the whole command line instead of the process name."""
    extra: Extra = ()
    """Lines that are copied into its block unchanged (hactl)."""


class TrackFile(Tracked):
    """A number in a file: Keepalived multiplies it by the weight and adds it to the priority."""

    name: Identifier
    """Name of the definition (`track_file`)."""
    file: FilePath
    """Path of the file on the director."""
    init: Integer | None = None
    """Number that Keepalived writes if the file does not exist (`init_file`)."""
    init_overwrite: Flag = False
    """Write the number even if the file exists (`init_file`, overwrite)."""
    extra: Extra = ()
    """Lines that are copied into its block unchanged (hactl)."""


class TrackBfd(BfdTiming, Tracked):
    """A BFD session with a neighbour, usually the router on the way to the clients."""

    name: Identifier
    """Name of the definition (`bfd_instance`)."""
    neighbor_ip: Address
    """Address of the neighbour."""
    source_ip: Address | None = None
    """Source address of the session. Absent: the director's of the neighbour's family."""
    extra: Extra = ()
    """Lines that are copied into its block unchanged (hactl)."""


class Notify(Model):
    """Commands that run on a change of state, for an instance or a sync group."""

    notify_master: ScriptLike | None = None
    """Command that runs when the director becomes master."""
    notify_backup: ScriptLike | None = None
    """Command that runs when the director becomes backup."""
    notify_fault: ScriptLike | None = None
    """Command that runs on a fault."""
    notify_stop: ScriptLike | None = None
    """Command that runs when Keepalived stops."""
    notify_deleted: ScriptLike | None = None
    """Command that runs when a reload removes the instance."""
    notify: ScriptLike | None = None
    """Command that runs on every change. Keepalived appends INSTANCE or GROUP, the name, the new
    state and the priority to its arguments."""
    notify_priority_changes: Flag | None = None
    """Report changes of the priority in the fifos as well."""
    smtp_alert: Flag | None = None
    """Mail on every change. Absent: `keepalived.smtp_alert_vrrp`, else `keepalived.smtp_alert`,
    else no."""


class Tracking(Model):
    """Tracked objects of an instance or a sync group."""

    track_interfaces: tuple[Annotated[TrackInterface, as_field("interface")], ...] = ()
    """Interfaces that must be up (`track_interface`)."""
    track_scripts: tuple[TrackScript, ...] = ()
    """Commands that must succeed (`track_script`)."""
    track_processes: tuple[TrackProcess, ...] = ()
    """Processes that must run (`track_process`)."""
    track_files: tuple[TrackFile, ...] = ()
    """Files with a number that changes the priority (`track_file`)."""
    track_bfd: tuple[TrackBfd, ...] = ()
    """Neighbours that must be reachable over BFD."""

    def tracked(self) -> Iterator[TrackScript | TrackProcess | TrackFile | TrackBfd]:
        """The tracked objects that keepalived.conf defines in a separate block."""
        yield from self.track_scripts
        yield from self.track_processes
        yield from self.track_files
        yield from self.track_bfd


class SyncGroup(Notify, Tracking):
    """Options of a group of instances that change state together.

    A front end joins the group with `vrrp.sync_group`.
    """

    name: Identifier
    """Name of the group, as in `vrrp.sync_group`."""
    extra: Extra = ()
    """Lines that are copied into its block unchanged (hactl)."""


class Garp(Model):
    """Gratuitous ARPs and unsolicited neighbour advertisements, which lead clients to the new
    master.

    Delays and refresh times are in seconds. An absent field takes the value under `keepalived`. The
    defaults there repeat the packets after a second and refresh them every minute, in case a switch
    missed the first ones.
    """

    garp_master_delay: Annotated[Integer, Field(ge=0)] | None = None
    """Time from the takeover to the second round; 0 for no second round."""
    garp_master_repeat: Annotated[Integer, Field(ge=0)] | None = None
    """Packets in a round after a takeover."""
    garp_lower_prio_delay: Annotated[Integer, Field(ge=0)] | None = None
    """Time from an advert of lower priority to the second round."""
    garp_lower_prio_repeat: Annotated[Integer, Field(ge=0)] | None = None
    """Packets in a round after an advert of lower priority."""
    garp_master_refresh: Annotated[Integer, Field(ge=0)] | None = None
    """Time between rounds while master; 0 for no rounds."""
    garp_master_refresh_repeat: Annotated[Integer, Field(ge=0)] | None = None
    """Packets in a round while master."""


class Unicast(Model):
    """Unicast adverts to the other directors, for networks without multicast, such as most clouds.

    The peers are the other directors of the front end. `peers` adds routers that hactl does not
    manage.
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
    """Accept adverts from the peers only (`check_unicast_src`)."""


class VirtualMac(Model):
    """A macvlan interface with the virtual router's own MAC address (RFC 5798 §7.3)."""

    interface: InterfaceName | None = None
    """Name of the macvlan interface. Absent: Keepalived chooses `vrrp.VRID`."""
    xmit_base: Flag = False
    """Send adverts from the parent interface (`vmac_xmit_base`); unicast needs this."""


class Vrrp(Garp, Notify, Tracking):
    """The VRRP settings of a front end: an instance for each address family, on all its directors.

    `advert_int` is in seconds. Its default with version 3 is 0.2. A backup of priority 100 then
    notices a crash of the master within 0.72 s: 3 × 0.2 s, plus the skew of (256 − priority)/256 ×
    0.2 s (RFC 5798 §6.1). An outage thus stays below a second, with time for a retransmission.
    Version 2 counts whole seconds; the default there is 1.
    """

    virtual_router_id: Annotated[Integer, Field(ge=1, le=255)]
    """VRID: the same number on all directors of the front end. No other VRRP router on this network
    may use it (RFC 5798 §5.2.3)."""
    version: Literal[2, 3] = 3
    """VRRP version: 3 is RFC 5798, 2 is RFC 3768."""
    advert_int: Annotated[Seconds, Field(ge=0.01, le=255)] | None = None
    """Time between adverts, the same on all directors. Absent: 0.2, with version 2: 1 (RFC 5798
    §5.2.7)."""
    interface: InterfaceName | None = None
    """Interface for adverts and addresses. Absent: the host's `interface`, else the interface with
    the host's address."""
    auth_type: Literal["PASS", "AH"] = "PASS"
    """Kind of authentication, version 2 only. `AH` is IPsec and not recommended."""
    auth_pass: Secret | None = Field(None, repr=False)
    """Password, version 2 only, at most 8 characters. Every advert contains it in plain text.
    Absent: no authentication."""
    nopreempt: Flag = False
    """A director of higher priority that comes back does not take over (RFC 5798 §6.1,
    Preempt_Mode)."""
    preempt_delay: Annotated[Seconds, Field(le=1000)] | None = None
    """Time that a director of higher priority waits before it takes over again. Keepalived's
    default: 0."""
    unicast: Annotated[Unicast | None, BeforeValidator(as_switch)] = None
    """Send adverts to every peer instead of the multicast group."""
    mcast_dst_ip: Address | None = None
    """Multicast group of the adverts. Absent: `keepalived.vrrp_mcast_group4` or
    `vrrp_mcast_group6`."""
    sync_group: Identifier | None = None
    """Sync group: front ends with the same name here change state together (`vrrp_sync_group`). The
    two address families of a front end always do."""
    use_vmac: Annotated[VirtualMac | None, BeforeValidator(as_switch)] = None
    """Use the virtual router's own MAC address (RFC 5798 §7.3)."""
    dont_track_primary: Flag = False
    """Ignore a failure of `interface`."""
    track_src_ip: Flag = False
    """Enter FAULT when the source address of the adverts is gone."""
    promote_secondaries: Flag = False
    """Keep the other addresses of a subnet when one of them is removed."""
    accept: Flag | None = None
    """As master, accept packets to the virtual addresses (`accept`, `no_accept`; RFC 5798 §6.1,
    Accept_Mode). Absent: accept."""
    strict_mode: Flag | None = None
    """Follow the RFC strictly. Absent: `keepalived.vrrp_strict`."""
    skip_check_adv_addr: Flag | None = None
    """Skip the address check of an advert from the same master as the advert before."""
    down_timer_adverts: Annotated[Integer, Field(ge=1, le=100)] | None = None
    """Missed adverts after which a backup takes over, the same on all directors. Absent: 3, as in
    RFC 5798 §6.1."""
    lower_prio_no_advert: Flag | None = None
    """As master, do not answer an advert of lower priority."""
    higher_prio_send_advert: Flag | None = None
    """As master, send one more advert after an advert of higher priority. The new master then
    repeats its GARPs."""
    notify_master_rx_lower_pri: ScriptLike | None = None
    """Command that runs when a master receives an advert of lower priority."""
    virtual_routes: tuple[Words, ...] = ()
    """Routes that move with the addresses, written as for ip-route(8)."""
    virtual_rules: tuple[Words, ...] = ()
    """Routing rules that move with the addresses, written as for ip-rule(8). Give every rule a
    `preference`."""
    extra: Extra = ()
    """Lines that are copied into the `vrrp_instance` block unchanged (hactl)."""

    @property
    def interval(self) -> float:
        """The advert interval in seconds, or its default."""
        return self.advert_int if self.advert_int is not None else 0.2 if self.version == 3 else 1.0

    def skew(self, priority: int) -> float:
        """The skew time of a director in seconds: the lower its priority, the longer it waits."""
        return (256 - priority) / 256 * self.interval

    def down_after(self, priority: int) -> float:
        """Seconds without an advert after which a backup of `priority` takes over (RFC 5798
        §6.1)."""
        return (self.down_timer_adverts or 3) * self.interval + self.skew(priority)

    @model_validator(mode="after")
    def _consistent(self) -> Vrrp:
        _check_authentication(self)
        if self.version == 2 and not self.interval.is_integer():
            raise mistake(
                "vrrp2-fractional-interval",
                f"`advert_int` {self.interval:g} needs VRRP version 3",
                "version 2 rounds to whole seconds, so the directors would disagree "
                "(RFC 3768 §5.3.7)",
                "set `version: 3`, or a whole number of seconds",
            )
        if self.version == 3 and self.interval > 40.95:
            raise mistake(
                "out-of-range",
                f"`advert_int` {self.interval:g} is too long for VRRP version 3",
                "the advert's field has 12 bits for centiseconds (RFC 5798 §5.2.7)",
                "set at most 40.95",
            )
        return self


def _check_authentication(vrrp: Vrrp) -> None:
    """Refuse a password that VRRP would ignore or cut short; the message does not show it."""
    if vrrp.auth_pass is None:
        return
    if vrrp.version == 3:
        raise mistake(
            "vrrp3-auth",
            "`auth_pass` has no effect with VRRP version 3",
            "version 3 has no authentication (RFC 5798 §9), so the password would protect nothing",
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
