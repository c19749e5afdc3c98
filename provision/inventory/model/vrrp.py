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
    Script,
    ScriptLike,
    Seconds,
    Secret,
    Strict,
    Text,
    Word,
    as_field,
    mistake,
)

Weight = Annotated[Integer, Field(ge=-253, le=253)]


class Tracked(Strict):
    """What every tracked thing has: how its state changes the priority.

    Without a weight (or with 0) a failure puts the instance into the FAULT state; `reverse` swaps the sense.
    """

    weight: Weight | None = None
    reverse: Flag = False


class TrackInterface(Tracked):
    """A network interface that must be up, besides the instance's own."""

    interface: InterfaceName


class TrackScript(Tracked):
    """A command whose exit status counts, run every `interval` seconds."""

    name: Identifier
    script: Command
    interval: Annotated[Integer, Field(ge=1)] | None = None
    timeout: Annotated[Integer, Field(ge=1)] | None = None
    rise: Annotated[Integer, Field(ge=1)] | None = None
    fall: Annotated[Integer, Field(ge=1)] | None = None
    user: Word | None = None
    group: Word | None = None
    init_fail: Flag = False
    extra: Extra = ()


class TrackProcess(Tracked):
    """A process that must run, watched through the kernel's process events rather than polled."""

    name: Identifier
    process: Text
    param_match: Literal["initial", "partial"] | None = None
    quorum: Annotated[Integer, Field(ge=0)] | None = None
    quorum_max: Annotated[Integer, Field(ge=0)] | None = None
    fork_delay: Seconds | None = None
    terminate_delay: Seconds | None = None
    delay: Seconds | None = None
    full_command: Flag = False
    extra: Extra = ()


class TrackFile(Tracked):
    """A number in a file, multiplied by the weight and added to the priority. `init` is written where it is absent."""

    name: Identifier
    file: FilePath
    init: Integer | None = None
    init_overwrite: Flag = False
    extra: Extra = ()


class TrackBfd(BfdTiming, Tracked):
    """A BFD session with a neighbour, usually the router the clients come through."""

    name: Identifier
    neighbor_ip: Address
    source_ip: Address | None = None
    extra: Extra = ()


class Notify(Strict):
    """The commands to run on a change of state, for an instance and for a sync group alike."""

    notify_master: ScriptLike | None = None
    notify_backup: ScriptLike | None = None
    notify_fault: ScriptLike | None = None
    notify_stop: ScriptLike | None = None
    notify_deleted: ScriptLike | None = None
    notify: ScriptLike | None = None
    notify_priority_changes: Flag | None = None
    smtp_alert: Flag | None = None


class Tracking(Strict):
    """Everything that can be tracked, for an instance and for a sync group alike."""

    track_interfaces: tuple[Annotated[TrackInterface, as_field("interface")], ...] = ()
    track_scripts: tuple[TrackScript, ...] = ()
    track_processes: tuple[TrackProcess, ...] = ()
    track_files: tuple[TrackFile, ...] = ()
    track_bfd: tuple[TrackBfd, ...] = ()

    def tracked(self) -> Iterator[TrackScript | TrackProcess | TrackFile | TrackBfd]:
        """Everything tracked that has a definition of its own in keepalived.conf."""
        yield from self.track_scripts
        yield from self.track_processes
        yield from self.track_files
        yield from self.track_bfd


class SyncGroup(Notify, Tracking):
    """Options of a group of instances that change state together; front ends join it by `vrrp.sync_group`."""

    name: Identifier
    extra: Extra = ()


class Garp(Strict):
    """Gratuitous ARP and unsolicited neighbour advertisements, which move the clients to the new master.

    Delays and refresh in seconds. Absent means the value under `keepalived`, which defaults to a repeat after a
    second and a refresh every minute, for the switch that missed the first ones.
    """

    garp_master_delay: Annotated[Integer, Field(ge=0)] | None = None
    garp_master_repeat: Annotated[Integer, Field(ge=0)] | None = None
    garp_lower_prio_delay: Annotated[Integer, Field(ge=0)] | None = None
    garp_lower_prio_repeat: Annotated[Integer, Field(ge=0)] | None = None
    garp_master_refresh: Annotated[Integer, Field(ge=0)] | None = None
    garp_master_refresh_repeat: Annotated[Integer, Field(ge=0)] | None = None


class Unicast(Strict):
    """Adverts to the other directors one by one, where multicast does not pass (most clouds).

    The peers are the other directors of the front end; `peers` adds routers that hactl does not manage.
    """

    peers: tuple[Address, ...] = ()
    ttl: Annotated[Integer, Field(ge=0, le=255)] | None = None
    min_ttl: Annotated[Integer, Field(ge=0, le=255)] | None = None
    max_ttl: Annotated[Integer, Field(ge=0, le=255)] | None = None
    check_source: Flag = True


def _unicast(value: object) -> object:
    """`unicast: true` is unicast with its defaults, `false` is none."""
    return {} if value is True else None if value is False else value


class VirtualMac(Strict):
    """A macvlan interface with the virtual router's own MAC address (RFC 5798 §7.3)."""

    interface: InterfaceName | None = None
    xmit_base: Flag = False


def _vmac(value: object) -> object:
    return {} if value is True else None if value is False else value


class Vrrp(Garp, Notify, Tracking):
    """The VRRP side of a front end: one instance an address family, the same on all its directors.

    `advert_int` is in seconds. Its default with version 3 is 0.2: a crash of the master is then noticed
    within 3 × 0.2 s plus the skew, (256 − priority)/256 × 0.2 s (RFC 5798 §6.1), at priority 100 in 0.72 s, so
    that an outage stays below a second with room for a retransmission. Version 2 counts whole seconds; there it is 1.
    """

    virtual_router_id: Annotated[Integer, Field(ge=1, le=255)]
    version: Literal[2, 3] = 3
    advert_int: Annotated[Seconds, Field(ge=0.01, le=255)] | None = None
    interface: InterfaceName | None = None
    auth_type: Literal["PASS", "AH"] = "PASS"
    auth_pass: Secret | None = Field(None, repr=False)
    nopreempt: Flag = False
    preempt_delay: Annotated[Seconds, Field(le=1000)] | None = None
    unicast: Annotated[Unicast | None, BeforeValidator(_unicast)] = None
    mcast_dst_ip: Address | None = None
    sync_group: Identifier | None = None
    use_vmac: Annotated[VirtualMac | None, BeforeValidator(_vmac)] = None
    dont_track_primary: Flag = False
    track_src_ip: Flag = False
    promote_secondaries: Flag = False
    accept: Flag | None = None
    strict_mode: Flag | None = None
    skip_check_adv_addr: Flag | None = None
    down_timer_adverts: Annotated[Integer, Field(ge=1, le=100)] | None = None
    lower_prio_no_advert: Flag | None = None
    higher_prio_send_advert: Flag | None = None
    notify_master_rx_lower_pri: ScriptLike | None = None
    virtual_routes: tuple[Text, ...] = ()
    virtual_rules: tuple[Text, ...] = ()
    extra: Extra = ()

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
                "vrrp2-fractional-interval", f"`advert_int` {self.interval:g} needs VRRP version 3",
                "version 2 carries whole seconds and rounds, so the directors would disagree (RFC 3768 §5.3.7)",
                "set `version: 3`, or a whole number of seconds",
            )  # fmt: skip
        if self.version == 3 and self.interval > 40.95:
            raise mistake(
                "out-of-range", f"`advert_int` {self.interval:g} is too long for VRRP version 3",
                "its field holds 12 bits of centiseconds (RFC 5798 §5.2.7)", "set at most 40.95",
            )  # fmt: skip
        return self


def _check_authentication(vrrp: Vrrp) -> None:
    """Refuses a password that VRRP would ignore or cut short; the message does not show it."""
    if vrrp.auth_pass is None:
        return
    if vrrp.version == 3:
        raise mistake(
            "vrrp3-auth", "`auth_pass` has no effect with VRRP version 3",
            "version 3 dropped authentication (RFC 5798 §9), so this would only look protected",
            "remove it, or set `version: 2` and `advert_int: 1`",
        )  # fmt: skip
    if len(vrrp.auth_pass.encode()) > 8:
        raise mistake(
            "auth-pass-too-long", "`auth_pass` is longer than 8 characters",
            "Keepalived uses the first 8 and ignores the rest (keepalived.conf(5))", "shorten it to 8",
        )  # fmt: skip


__all__ = ["IpAddress", "Script", "SyncGroup", "Vrrp"]
