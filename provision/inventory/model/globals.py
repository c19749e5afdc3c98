"""The model of `keepalived`: settings of a whole director, which may differ by host or group."""

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
    Model,
    Port,
    ScriptLike,
    Seconds,
    Secret,
    Text,
    Word,
    as_field,
    as_switch,
    mistake,
)
from provision.inventory.model.vrrp import SyncGroup

Nice = Annotated[Integer, Field(ge=-20, le=19)]
RealTime = Annotated[Integer, Field(ge=1, le=99)]
Cpus = tuple[Annotated[Integer, Field(ge=0, le=8191)], ...]
Count = Annotated[Integer, Field(ge=0)]


class SyncDaemon(Model):
    """The kernel's connection synchronisation.

    The master multicasts its connections, so that they survive a failover. `interface` defaults to
    that of the first VRRP instance, `sync_id` to its VRID.
    """

    interface: InterfaceName | None = None
    """Interface of the daemon. Absent: that of the first VRRP instance."""
    instance: Identifier | None = None
    """VRRP instance whose master sends. Absent: none, and both directors always send and
    receive."""
    sync_id: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """Number that all daemons must share (`id`). Absent: the VRID of the first front end."""
    maxlen: Annotated[Integer, Field(ge=1, le=65507)] | None = None
    """Maximum packet length in bytes."""
    port: Port = 8848
    """UDP port."""
    ttl: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """TTL of the multicast packets."""
    group: Address | None = None
    """Multicast group. Absent: 224.0.0.81, or ff02::81 on directors without IPv4."""


class Timeouts(Model):
    """Seconds after which IPVS forgets an idle connection."""

    tcp: Annotated[Integer, Field(ge=1)] | None = None
    """Idle TCP connection (ipvsadm(8) --set). Absent: unchanged."""
    tcpfin: Annotated[Integer, Field(ge=1)] | None = None
    """TCP connection after a FIN. Absent: unchanged."""
    udp: Annotated[Integer, Field(ge=1)] | None = None
    """Idle UDP connection. Absent: unchanged."""


class SmtpServer(Model):
    """The mail server that receives the alerts."""

    host: Word
    """Name or address."""
    port: Port | None = None
    """Port. Keepalived's default: 25."""


class Fifo(Model):
    """A named pipe for events, a line for every event, and optionally the program that reads it."""

    path: FilePath
    """Path of the pipe."""
    user: Word | None = None
    """Owner of the pipe."""
    group: Word | None = None
    """Group of the pipe."""
    script: ScriptLike | None = None
    """Program that Keepalived starts to read the pipe. Its last argument is the path of the
    pipe."""


class GarpGroup(Model):
    """Rate limits of gratuitous ARPs and neighbour advertisements. Intervals are in seconds."""

    interfaces: Annotated[tuple[InterfaceName, ...], Field(min_length=1)]
    """Interfaces that share the limit."""
    garp_interval: Seconds | None = None
    """Minimum time between gratuitous ARPs."""
    gna_interval: Seconds | None = None
    """Minimum time between neighbour advertisements."""


class InterfaceDelay(Model):
    """Seconds for which an interface must be down or up before Keepalived reacts."""

    interface: InterfaceName
    """The interface."""
    down: Annotated[Seconds, Field(le=255)]
    """Time that the interface must be down."""
    up: Annotated[Seconds, Field(le=255)] | None = None
    """Time that the interface must be up. Absent: the same as `down`."""


class Tls(Model):
    """The client certificate of SSL checks."""

    password: Secret | None = Field(None, repr=False)
    """Password of the key."""
    ca: FilePath | None = None
    """File of the certificate authority."""
    certificate: FilePath | None = None
    """File of the certificate."""
    key: FilePath | None = None
    """File of the key."""


class Process(Model):
    """Scheduling of one of Keepalived's processes. `rlimit_rttime` is in microseconds."""

    priority: Nice | None = None
    """Nice value; a process with a lower value runs first (`vrrp_priority`, `checker_priority`,
    `bfd_priority`)."""
    rt_priority: RealTime | None = None
    """Real-time priority (`vrrp_rt_priority` and so on). Absent: not real-time."""
    rlimit_rttime: Annotated[Integer, Field(ge=2)] | None = None
    """Maximum microseconds of CPU between two blocking calls of a real-time process
    (`vrrp_rlimit_rttime` and so on). The kernel kills a process that needs more. Keepalived's
    default is 10000, which is too short for a start on a slow director; use 1000000."""
    no_swap: Flag = False
    """Keep the process in memory (`vrrp_no_swap` and so on)."""
    cpu_affinity: Cpus = ()
    """Processors that the process may use (`vrrp_cpu_affinity` and so on). Empty: all."""


class Keepalived(Model):
    """Keepalived's global_defs. Field names are those of keepalived.conf(5). Times are in seconds.

    `router_id` defaults to the host's name. Scripts run as `nobody`, unless `script_user` or the
    script's `user` names another user. Only root may be able to write to a script that runs as
    root.
    """

    router_id: Text | None = None
    """Name of the director in mails and SNMP. Absent: the host's name in the inventory."""
    process_names: Flag = False
    """Give Keepalived's processes names that say what they do."""
    notification_email: tuple[Word, ...] = ()
    """Recipients of the alerts."""
    notification_email_from: Word | None = None
    """Sender of the alerts. Keepalived's default: `keepalived@` and the host's name."""
    smtp_server: Annotated[SmtpServer, as_field("host")] | None = None
    """Mail server. Needed with `notification_email`."""
    smtp_helo_name: Word | None = None
    """Name in the HELO line. Keepalived's default: the host's name."""
    smtp_connect_timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Time-out of the connection to the mail server, in seconds. Keepalived's default: 30."""
    smtp_alert: Flag | None = None
    """Mail alerts, unless a more precise setting says otherwise."""
    smtp_alert_vrrp: Flag | None = None
    """Mail when an instance or sync group changes state."""
    smtp_alert_checker: Flag | None = None
    """Mail when a real server or quorum changes."""
    no_email_faults: Flag = False
    """Send no mail about the FAULT state."""
    no_checker_emails: Flag = False
    """Send no mail when a check's result changes, only when a real server is added or removed."""
    checker_log_all_failures: Flag | None = None
    """Write every failed check to the log."""
    rs_init_notifies: Flag = False
    """Run `notify_up` and `notify_down` at the start as well."""
    script_user: Word | None = None
    """User for scripts that do not name a user. Absent: `nobody`, if there are any scripts
    (hactl)."""
    script_group: Word | None = None
    """Group for these scripts. Absent: the user's."""
    enable_script_security: Flag | None = None
    """Refuse to run a script as root that other users may write. Absent: on, if there are any
    scripts (hactl)."""
    startup_script: ScriptLike | None = None
    """Command that runs before Keepalived starts working."""
    startup_script_timeout: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """Time-out of the command in seconds. Keepalived's default: 10."""
    shutdown_script: ScriptLike | None = None
    """Command that runs after Keepalived has stopped working."""
    shutdown_script_timeout: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """Time-out of the command in seconds. Keepalived's default: 10."""
    lvs_sync_daemon: Annotated[SyncDaemon | None, BeforeValidator(as_switch)] = SyncDaemon()
    """Connection synchronisation between directors. On unless `false` (hactl)."""
    lvs_timeouts: Timeouts | None = None
    """Time-outs of idle connections."""
    lvs_flush: Flag = False
    """Empty the IPVS table at the start, other programs' entries included."""
    lvs_flush_on_stop: Flag | Literal["VS"] = False
    """Empty the IPVS table as soon as Keepalived stops; `VS` removes Keepalived's services only."""
    vrrp_mcast_group4: Address | None = None
    """Multicast group of IPv4 adverts. Keepalived's default: 224.0.0.18 (RFC 5798 §5.1.1.2)."""
    vrrp_mcast_group6: Address | None = None
    """Multicast group of IPv6 adverts. Keepalived's default: ff02::12 (RFC 5798 §5.1.2.2)."""
    vrrp_garp_master_delay: Count = 1
    """Time from the takeover to the second round of gratuitous ARPs; 0 for no second round.
    Keepalived's default: 5."""
    vrrp_garp_master_repeat: Count = 5
    """Gratuitous ARPs in a round after a takeover."""
    vrrp_garp_lower_prio_delay: Count | None = None
    """Time from an advert of lower priority to the second round. Keepalived's default:
    `vrrp_garp_master_delay`."""
    vrrp_garp_lower_prio_repeat: Count | None = None
    """Gratuitous ARPs in a round after an advert of lower priority. Keepalived's default:
    `vrrp_garp_master_repeat`."""
    vrrp_garp_master_refresh: Count = 60
    """Time between rounds while master; 0 for no rounds, which is Keepalived's default."""
    vrrp_garp_master_refresh_repeat: Count = 1
    """Gratuitous ARPs in a round while master."""
    vrrp_garp_interval: Seconds | None = None
    """Time between two gratuitous ARPs on an interface. Keepalived's default: 0."""
    vrrp_gna_interval: Seconds | None = None
    """Time between two neighbour advertisements on an interface. Keepalived's default: 0."""
    vrrp_min_garp: Flag | None = None
    """Send one gratuitous ARP in a round and ignore the repeats above."""
    vrrp_garp_extra_if: Annotated[Integer, Field(ge=0, le=86400)] | None = None
    """Seconds between gratuitous ARPs on other interfaces that hold a VIP, besides the instance's
    (with `all`); 0 for none."""
    vrrp_down_timer_adverts: Annotated[Integer, Field(ge=1, le=100)] | None = None
    """Missed adverts after which a backup takes over, for instances without a value. Keepalived's
    default: 3 (RFC 5798 §6.1)."""
    vrrp_lower_prio_no_advert: Flag | None = None
    """As master, do not answer an advert of lower priority. Keepalived's default: answer."""
    vrrp_higher_prio_send_advert: Flag | None = True
    """As master, send one more advert after an advert of higher priority. The new master then
    repeats its GARPs. Keepalived's default: off."""
    vrrp_check_unicast_src: Flag = False
    """Unicast: accept adverts from the peers only. `vrrp.unicast.check_source` sets it for an
    instance anyway."""
    vrrp_skip_check_adv_addr: Flag = False
    """Skip the address check of an advert from the same master as the advert before."""
    vrrp_strict: Flag = False
    """Follow the RFC strictly. This forbids unicast, authentication, `preempt_delay` and more."""
    vrrp_notify_priority_changes: Flag | None = None
    """Report changes of priorities in the fifos."""
    vrrp_startup_delay: Seconds | None = None
    """Delay after the start before any instance sends, for bonds that pass traffic late."""
    max_auto_priority: Annotated[Integer, Field(ge=-1, le=99)] | None = None
    """Maximum real-time priority that Keepalived may give itself when it runs late; 0 for never, -1
    for never and without a warning. Keepalived's default: 0."""
    min_auto_priority_delay: Annotated[Integer, Field(ge=1, le=10000000)] | None = None
    """Minimum delay, in microseconds, for which Keepalived raises its priority. Keepalived's
    default: 1000000."""
    vrrp: Process = Process()
    """Scheduling of the VRRP process."""
    checker: Process = Process()
    """Scheduling of the checker process."""
    bfd: Process = Process()
    """Scheduling of the BFD process."""
    notify_fifo: Annotated[Fifo, as_field("path")] | None = None
    """Pipe for all events."""
    vrrp_notify_fifo: Annotated[Fifo, as_field("path")] | None = None
    """Pipe for events of instances and sync groups."""
    lvs_notify_fifo: Annotated[Fifo, as_field("path")] | None = None
    """Pipe for events of services and real servers."""
    fifo_write_vrrp_states_on_reload: Flag = False
    """Write all states to the pipes after a reload."""
    dynamic_interfaces: Flag = False
    """Accept interfaces that are missing at the start, or that come and go."""
    log_unknown_vrids: Flag = False
    """Log adverts with a VRID that this director does not use."""
    disable_local_igmp: Flag = False
    """Send no IGMP reports for 224.0.0.0/24."""
    enable_snmp_vrrp: Flag = False
    """Answer SNMP queries about VRRP (KEEPALIVED-MIB)."""
    enable_snmp_checker: Flag = False
    """Answer SNMP queries about services and real servers (KEEPALIVED-MIB)."""
    enable_snmp_rfc: Flag = False
    """Answer SNMP queries with the VRRP MIBs of RFC 2787 and RFC 6527."""
    enable_traps: Flag = False
    """Send SNMP traps."""
    snmp_socket: Word | None = None
    """Socket of the SNMP agent. Keepalived's default: `unix:/var/agentx/master`."""
    enable_dbus: Flag = False
    """Publish the VRRP states on D-Bus."""
    garp_groups: tuple[GarpGroup, ...] = ()
    """Rate limits of gratuitous ARPs by interface, for switches that cannot handle many
    (`garp_group`)."""
    interface_up_down_delays: tuple[InterfaceDelay, ...] = ()
    """Delays before Keepalived reacts to an interface that goes down or up."""
    linkbeat_interfaces: tuple[InterfaceName, ...] = ()
    """Interfaces whose link is polled (MII, ethtool) because the kernel does not report it."""
    sync_groups: tuple[SyncGroup, ...] = ()
    """Options of sync groups (`vrrp_sync_group`). `vrrp.sync_group` forms the groups."""
    ssl: Tls | None = None
    """Client certificate of SSL checks (`SSL`)."""
    extra: Extra = ()
    """Lines that are copied into `global_defs` unchanged (hactl)."""
    extra_blocks: Extra = ()
    """Lines that are copied to the end of keepalived.conf unchanged (hactl)."""

    @model_validator(mode="after")
    def _consistent(self) -> Keepalived:
        if self.script_group and not self.script_user:
            raise mistake(
                "script-group-without-user",
                "`script_group` needs `script_user`",
                "",
                "name the user as well",
            )
        alerts = (self.smtp_alert, self.smtp_alert_vrrp, self.smtp_alert_checker)
        if any(alerts) and not self.notification_email:
            raise mistake(
                "alert-without-recipient",
                "alerts are on but `notification_email` is empty",
                "nobody would get them",
                "list the recipients, or switch the alerts off",
            )
        if self.notification_email and not self.smtp_server:
            raise mistake(
                "alert-without-server",
                "`notification_email` needs `smtp_server`",
                "Keepalived sends mail through a server only",
                "name the server",
            )
        return self
