"""What holds for a whole director: the variable `keepalived`, which may differ by host or group."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from provision.inventory.model.text import (
    Address,
    Extra,
    FilePath,
    Flag,
    Identifier,
    Integer,
    InterfaceName,
    Port,
    ScriptLike,
    Seconds,
    Secret,
    Strict,
    Text,
    Word,
    as_field,
    mistake,
)
from provision.inventory.model.vrrp import SyncGroup

Nice = Annotated[Integer, Field(ge=-20, le=19)]
RealTime = Annotated[Integer, Field(ge=1, le=99)]
Cpus = tuple[Annotated[Integer, Field(ge=0, le=8191)], ...]
Count = Annotated[Integer, Field(ge=0)]


class SyncDaemon(Strict):
    """The kernel's connection synchronisation: the master multicasts its connections, so that they outlive it.

    `interface`, `instance` and `sync_id` default to those of the first VRRP instance and its VRID.
    """

    interface: InterfaceName | None = None
    instance: Identifier | None = None
    sync_id: Annotated[Integer, Field(ge=0, le=255)] | None = None
    maxlen: Annotated[Integer, Field(ge=1, le=65507)] | None = None
    port: Port = 8848
    ttl: Annotated[Integer, Field(ge=1, le=255)] | None = None
    group: Address | None = None


def _sync_daemon(value: object) -> object:
    """`true` is the daemon with its defaults, `false` none."""
    return {} if value is True else None if value is False else value


class Timeouts(Strict):
    """Seconds after which IPVS forgets an idle connection."""

    tcp: Annotated[Integer, Field(ge=1)] | None = None
    tcpfin: Annotated[Integer, Field(ge=1)] | None = None
    udp: Annotated[Integer, Field(ge=1)] | None = None


class SmtpServer(Strict):
    """The mail server that takes the alerts."""

    host: Word
    port: Port | None = None


class Fifo(Strict):
    """A named pipe that gets a line for every event, and optionally the program that reads it."""

    path: FilePath
    user: Word | None = None
    group: Word | None = None
    script: ScriptLike | None = None


class GarpGroup(Strict):
    """How fast gratuitous ARPs (`garp_interval`) and neighbour advertisements may follow each other, in seconds."""

    interfaces: Annotated[tuple[InterfaceName, ...], Field(min_length=1)]
    garp_interval: Seconds | None = None
    gna_interval: Seconds | None = None


class InterfaceDelay(Strict):
    """Seconds an interface must be down (or up again) before it counts."""

    interface: InterfaceName
    down: Annotated[Seconds, Field(le=255)]
    up: Annotated[Seconds, Field(le=255)] | None = None


class Tls(Strict):
    """The client certificate of SSL checks."""

    password: Secret | None = Field(None, repr=False)
    ca: FilePath | None = None
    certificate: FilePath | None = None
    key: FilePath | None = None


class Process(Strict):
    """How the kernel schedules one of Keepalived's processes; `rlimit_rttime` in microseconds."""

    priority: Nice | None = None
    rt_priority: RealTime | None = None
    rlimit_rttime: Annotated[Integer, Field(ge=2)] | None = None
    no_swap: Flag = False
    cpu_affinity: Cpus = ()


class Keepalived(Strict):
    """Keepalived's global_defs; field names are those of keepalived.conf(5). Times are in seconds.

    `router_id` defaults to the host's name. Scripts run as root under `enable_script_security` unless
    `script_user` says otherwise: without either, Keepalived looks for a user that no package makes.
    """

    router_id: Text | None = None
    process_names: Flag = False
    notification_email: tuple[Word, ...] = ()
    notification_email_from: Word | None = None
    smtp_server: Annotated[SmtpServer, as_field("host")] | None = None
    smtp_helo_name: Word | None = None
    smtp_connect_timeout: Annotated[Integer, Field(ge=1)] | None = None
    smtp_alert: Flag | None = None
    smtp_alert_vrrp: Flag | None = None
    smtp_alert_checker: Flag | None = None
    no_email_faults: Flag = False
    no_checker_emails: Flag = False
    checker_log_all_failures: Flag | None = None
    rs_init_notifies: Flag = False
    script_user: Word | None = None
    script_group: Word | None = None
    enable_script_security: Flag | None = None
    startup_script: ScriptLike | None = None
    startup_script_timeout: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    shutdown_script: ScriptLike | None = None
    shutdown_script_timeout: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    lvs_sync_daemon: Annotated[SyncDaemon | None, BeforeValidator(_sync_daemon)] = SyncDaemon()
    lvs_timeouts: Timeouts | None = None
    lvs_flush: Flag = False
    lvs_flush_on_stop: Flag | Literal["VS"] = False
    vrrp_mcast_group4: Address | None = None
    vrrp_mcast_group6: Address | None = None
    vrrp_garp_master_delay: Count = 1
    vrrp_garp_master_repeat: Count = 5
    vrrp_garp_lower_prio_delay: Count | None = None
    vrrp_garp_lower_prio_repeat: Count | None = None
    vrrp_garp_master_refresh: Count = 60
    vrrp_garp_master_refresh_repeat: Count = 1
    vrrp_garp_interval: Seconds | None = None
    vrrp_gna_interval: Seconds | None = None
    vrrp_min_garp: Flag | None = None
    vrrp_garp_extra_if: Annotated[Integer, Field(ge=0, le=86400)] | None = None
    vrrp_down_timer_adverts: Annotated[Integer, Field(ge=1, le=100)] | None = None
    vrrp_lower_prio_no_advert: Flag | None = None
    vrrp_higher_prio_send_advert: Flag | None = True
    vrrp_check_unicast_src: Flag = False
    vrrp_skip_check_adv_addr: Flag = False
    vrrp_strict: Flag = False
    vrrp_notify_priority_changes: Flag | None = None
    vrrp_startup_delay: Seconds | None = None
    max_auto_priority: Annotated[Integer, Field(ge=-1, le=99)] | None = None
    min_auto_priority_delay: Annotated[Integer, Field(ge=1, le=10000000)] | None = None
    vrrp: Process = Process()
    checker: Process = Process()
    bfd: Process = Process()
    notify_fifo: Annotated[Fifo, as_field("path")] | None = None
    vrrp_notify_fifo: Annotated[Fifo, as_field("path")] | None = None
    lvs_notify_fifo: Annotated[Fifo, as_field("path")] | None = None
    fifo_write_vrrp_states_on_reload: Flag = False
    dynamic_interfaces: Flag = False
    log_unknown_vrids: Flag = False
    disable_local_igmp: Flag = False
    enable_snmp_vrrp: Flag = False
    enable_snmp_checker: Flag = False
    enable_snmp_rfc: Flag = False
    enable_traps: Flag = False
    snmp_socket: Word | None = None
    enable_dbus: Flag = False
    garp_groups: tuple[GarpGroup, ...] = ()
    interface_up_down_delays: tuple[InterfaceDelay, ...] = ()
    linkbeat_interfaces: tuple[InterfaceName, ...] = ()
    sync_groups: tuple[SyncGroup, ...] = ()
    ssl: Tls | None = None
    extra: Extra = ()
    extra_blocks: Extra = ()

    @model_validator(mode="after")
    def _consistent(self) -> Keepalived:
        if self.script_group and not self.script_user:
            raise mistake(
                "script-group-without-user", "`script_group` needs `script_user`", "", "name the user as well"
            )
        alerts = (self.smtp_alert, self.smtp_alert_vrrp, self.smtp_alert_checker)
        if any(alerts) and not self.notification_email:
            raise mistake(
                "alert-without-recipient", "alerts are on but `notification_email` is empty",
                "nobody would get them", "list the recipients, or switch the alerts off",
            )  # fmt: skip
        if self.notification_email and not self.smtp_server:
            raise mistake(
                "alert-without-server", "`notification_email` needs `smtp_server`",
                "Keepalived sends mail through a server only", "name the server",
            )  # fmt: skip
        return self
