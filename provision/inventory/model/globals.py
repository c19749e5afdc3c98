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
    Model,
    Port,
    ScriptLike,
    Seconds,
    Secret,
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


class SyncDaemon(Model):
    """The kernel's connection synchronisation: the master multicasts its connections, so that they outlive it.

    `interface` and `sync_id` default to those of the first VRRP instance and its VRID.
    """

    interface: InterfaceName | None = None
    """Interface it uses. Absent: that of the first VRRP instance."""
    instance: Identifier | None = None
    """VRRP instance whose state decides who sends. Absent: none, and both directors send and receive all the time."""
    sync_id: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """Number that daemons must share (`id`). Absent: VRID of the first front end."""
    maxlen: Annotated[Integer, Field(ge=1, le=65507)] | None = None
    """Longest packet in bytes."""
    port: Port = 8848
    """UDP port."""
    ttl: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """TTL of the multicast packets."""
    group: Address | None = None
    """Multicast group. Absent: 224.0.0.81, on directors without IPv4 ff02::81."""


def _sync_daemon(value: object) -> object:
    """`true` is the daemon with its defaults, `false` none."""
    return {} if value is True else None if value is False else value


class Timeouts(Model):
    """Seconds after which IPVS forgets an idle connection."""

    tcp: Annotated[Integer, Field(ge=1)] | None = None
    """TCP connection (ipvsadm(8) --set). Absent: left as it is."""
    tcpfin: Annotated[Integer, Field(ge=1)] | None = None
    """TCP connection after a FIN. Absent: left as it is."""
    udp: Annotated[Integer, Field(ge=1)] | None = None
    """UDP. Absent: left as it is."""


class SmtpServer(Model):
    """The mail server that takes the alerts."""

    host: Word
    """Name or address."""
    port: Port | None = None
    """Port. Keepalived's default: 25."""


class Fifo(Model):
    """A named pipe that gets a line for every event, and optionally the program that reads it."""

    path: FilePath
    """Path of the pipe."""
    user: Word | None = None
    """Owner of the pipe."""
    group: Word | None = None
    """Group of the pipe."""
    script: ScriptLike | None = None
    """Program that Keepalived starts to read it; it gets the path as its last argument."""


class GarpGroup(Model):
    """How fast gratuitous ARPs (`garp_interval`) and neighbour advertisements may follow each other, in seconds."""

    interfaces: Annotated[tuple[InterfaceName, ...], Field(min_length=1)]
    """Interfaces that share the limit."""
    garp_interval: Seconds | None = None
    """Time between gratuitous ARPs."""
    gna_interval: Seconds | None = None
    """Time between neighbour advertisements."""


class InterfaceDelay(Model):
    """Seconds an interface must be down (or up again) before it counts."""

    interface: InterfaceName
    """The interface."""
    down: Annotated[Seconds, Field(le=255)]
    """Time it must be down."""
    up: Annotated[Seconds, Field(le=255)] | None = None
    """Time it must be up. Absent: the same."""


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
    """How the kernel schedules one of Keepalived's processes; `rlimit_rttime` in microseconds."""

    priority: Nice | None = None
    """Nice value; a lower one runs first (`vrrp_priority`, `checker_priority`, `bfd_priority`)."""
    rt_priority: RealTime | None = None
    """Real-time priority (`vrrp_rt_priority` and so on). Absent: not real-time."""
    rlimit_rttime: Annotated[Integer, Field(ge=2)] | None = None
    """Microseconds of CPU between two blocking calls while real-time (`vrrp_rlimit_rttime` and so on), beyond which
    the kernel kills it. Keepalived's default, 10000, is too little to start with on a slow director: 1000000."""
    no_swap: Flag = False
    """Keep it in memory (`vrrp_no_swap` and so on)."""
    cpu_affinity: Cpus = ()
    """Processors it may run on (`vrrp_cpu_affinity` and so on). Empty: all."""


class Keepalived(Model):
    """Keepalived's global_defs; field names are those of keepalived.conf(5). Times are in seconds.

    `router_id` defaults to the host's name. Scripts run as `nobody`, and what is to run as root must be
    something that nobody else can write to; `script_user`, or the `user` of a script, says otherwise.
    """

    router_id: Text | None = None
    """Name of this director in mails and SNMP. Absent: the host's name in the inventory."""
    process_names: Flag = False
    """Name each of Keepalived's processes by what it does."""
    notification_email: tuple[Word, ...] = ()
    """Who gets the alerts."""
    notification_email_from: Word | None = None
    """Sender of the alerts. Keepalived's default: `keepalived@` and the host's name."""
    smtp_server: Annotated[SmtpServer, as_field("host")] | None = None
    """Mail server. Needed with `notification_email`."""
    smtp_helo_name: Word | None = None
    """Name in the HELO line. Keepalived's default: the host's name."""
    smtp_connect_timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds to wait for the mail server. Keepalived's default: 30."""
    smtp_alert: Flag | None = None
    """Mail alerts, unless a more precise setting says otherwise."""
    smtp_alert_vrrp: Flag | None = None
    """Mail when an instance or sync group changes state."""
    smtp_alert_checker: Flag | None = None
    """Mail when a real server or quorum changes."""
    no_email_faults: Flag = False
    """No mail about FAULT."""
    no_checker_emails: Flag = False
    """No mail whenever a check changes; only when a real server is added or removed."""
    checker_log_all_failures: Flag | None = None
    """Write every failed check to the log."""
    rs_init_notifies: Flag = False
    """Run `notify_up` and `notify_down` at the start, too."""
    script_user: Word | None = None
    """Who scripts run as that do not say so. Absent: `nobody`, if there are any (hactl)."""
    script_group: Word | None = None
    """Group they run as. Absent: the user's."""
    enable_script_security: Flag | None = None
    """Refuse to run as root what others than root may write. Absent: on, if there are any scripts (hactl)."""
    startup_script: ScriptLike | None = None
    """Command to run before Keepalived starts working."""
    startup_script_timeout: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """Seconds it may take. Keepalived's default: 10."""
    shutdown_script: ScriptLike | None = None
    """Command to run after Keepalived has stopped working."""
    shutdown_script_timeout: Annotated[Integer, Field(ge=1, le=1000)] | None = None
    """Seconds it may take. Keepalived's default: 10."""
    lvs_sync_daemon: Annotated[SyncDaemon | None, BeforeValidator(_sync_daemon)] = SyncDaemon()
    """Connection synchronisation between directors. On unless `false` (hactl)."""
    lvs_timeouts: Timeouts | None = None
    """When idle connections are forgotten."""
    lvs_flush: Flag = False
    """Empty the IPVS table at the start, whoever filled it."""
    lvs_flush_on_stop: Flag | Literal["VS"] = False
    """Empty the IPVS table at the stop at once; `VS` for Keepalived's own services only."""
    vrrp_mcast_group4: Address | None = None
    """Multicast group of IPv4 adverts. Keepalived's default: 224.0.0.18 (RFC 5798 §5.1.1.2)."""
    vrrp_mcast_group6: Address | None = None
    """Multicast group of IPv6 adverts. Keepalived's default: ff02::12 (RFC 5798 §5.1.2.2)."""
    vrrp_garp_master_delay: Count = 1
    """Time from becoming master to the second round of gratuitous ARPs; 0 for none. Keepalived's default would be 5."""
    vrrp_garp_master_repeat: Count = 5
    """Gratuitous ARPs a round on becoming master."""
    vrrp_garp_lower_prio_delay: Count | None = None
    """Time to the second round after an advert of lower priority. Keepalived's default: `vrrp_garp_master_delay`."""
    vrrp_garp_lower_prio_repeat: Count | None = None
    """Gratuitous ARPs a round after an advert of lower priority. Keepalived's default: `vrrp_garp_master_repeat`."""
    vrrp_garp_master_refresh: Count = 60
    """Time between rounds while master; 0 for none, which would be Keepalived's default."""
    vrrp_garp_master_refresh_repeat: Count = 1
    """Gratuitous ARPs of such a round."""
    vrrp_garp_interval: Seconds | None = None
    """Time between two gratuitous ARPs on an interface. Keepalived's default: 0."""
    vrrp_gna_interval: Seconds | None = None
    """Time between two neighbour advertisements on an interface. Keepalived's default: 0."""
    vrrp_min_garp: Flag | None = None
    """One gratuitous ARP a round, whatever the repeats above say."""
    vrrp_garp_extra_if: Annotated[Integer, Field(ge=0, le=86400)] | None = None
    """Seconds between gratuitous ARPs on interfaces that hold a VIP and are not the instance's (with `all`); 0 for
    none."""
    vrrp_down_timer_adverts: Annotated[Integer, Field(ge=1, le=100)] | None = None
    """Missed adverts after which a master is gone, where an instance does not say. Keepalived's default: 3 (RFC 5798
    §6.1)."""
    vrrp_lower_prio_no_advert: Flag | None = None
    """As master, do not answer an advert of lower priority. Keepalived's default: answer."""
    vrrp_higher_prio_send_advert: Flag | None = True
    """As master, send one more advert on seeing one of higher priority: the new master then repeats its GARPs.
    Keepalived's default would be off."""
    vrrp_check_unicast_src: Flag = False
    """Unicast: accept adverts of the peers only. On by `vrrp.unicast.check_source` anyway."""
    vrrp_skip_check_adv_addr: Flag = False
    """Do not compare the addresses in adverts of the same master again."""
    vrrp_strict: Flag = False
    """Follow the RFC strictly; forbids unicast, authentication, `preempt_delay` and more."""
    vrrp_notify_priority_changes: Flag | None = None
    """Report changes of priorities in the fifos."""
    vrrp_startup_delay: Seconds | None = None
    """Time to wait after the start before any instance speaks, for bonds that are slow to pass traffic."""
    max_auto_priority: Annotated[Integer, Field(ge=-1, le=99)] | None = None
    """Highest real-time priority that Keepalived may give itself when it runs late; 0 for never, -1 for never and no
    warning. Keepalived's default: 0."""
    min_auto_priority_delay: Annotated[Integer, Field(ge=1, le=10000000)] | None = None
    """Microseconds of lateness at which it does. Keepalived's default: 1000000."""
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
    """Interfaces may be missing at the start, and come and go."""
    log_unknown_vrids: Flag = False
    """Write adverts of VRIDs that are not configured here to the log."""
    disable_local_igmp: Flag = False
    """Send no IGMP reports for 224.0.0.0/24."""
    enable_snmp_vrrp: Flag = False
    """Answer SNMP about VRRP (KEEPALIVED-MIB)."""
    enable_snmp_checker: Flag = False
    """Answer SNMP about services and real servers (KEEPALIVED-MIB)."""
    enable_snmp_rfc: Flag = False
    """Answer SNMP by the VRRP MIBs of RFC 2787 and RFC 6527."""
    enable_traps: Flag = False
    """Send SNMP traps."""
    snmp_socket: Word | None = None
    """Where the SNMP agent listens. Keepalived's default: `unix:/var/agentx/master`."""
    enable_dbus: Flag = False
    """Offer VRRP's states on D-Bus."""
    garp_groups: tuple[GarpGroup, ...] = ()
    """Limits of gratuitous ARPs by interface, for switches that cannot take many (`garp_group`)."""
    interface_up_down_delays: tuple[InterfaceDelay, ...] = ()
    """How long interfaces must be down or up before it counts."""
    linkbeat_interfaces: tuple[InterfaceName, ...] = ()
    """Interfaces whose link is polled (MII, ethtool), because the kernel does not report it."""
    sync_groups: tuple[SyncGroup, ...] = ()
    """Options of sync groups (`vrrp_sync_group`). The groups themselves come from `vrrp.sync_group`."""
    ssl: Tls | None = None
    """Client certificate of SSL checks (`SSL`)."""
    extra: Extra = ()
    """Lines put into `global_defs` as they are (hactl)."""
    extra_blocks: Extra = ()
    """Lines put at the end of keepalived.conf as they are (hactl)."""

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
