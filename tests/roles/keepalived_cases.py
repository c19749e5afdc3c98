"""Small inventories that between them use every field of the model; each is fed to the real Keepalived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.inventory.building import DUAL, HOSTS, frontend, service


@dataclass(frozen=True)
class Case:
    """Front ends, the variable `keepalived`, and the hosts they are for."""

    frontends: list[dict[str, Any]]
    keepalived: dict[str, Any] = field(default_factory=dict)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: HOSTS)
    common: dict[str, Any] = field(default_factory=dict)


def _vrrp(**fields: Any) -> Case:
    return Case([frontend(vrrp={"virtual_router_id": 10, **fields})])


def _service(hosts: Mapping[str, Mapping[str, Any]] = HOSTS, **fields: Any) -> Case:
    return Case([frontend(services=[service(**fields)])], hosts=hosts)


def _check(**fields: Any) -> Case:
    return _service(check=fields)


def _keepalived(**fields: Any) -> Case:
    return Case([frontend()], fields)


TIMING = {
    "interval": 2.5,
    "retries": 2,
    "delay": 1,
    "warmup": 0.5,
    "alpha": True,
    "log_all_failures": True,
}
CONNECTING = {
    "timeout": 3, "connect_ip": "192.168.227.103", "port": 8080, "bindto": "192.168.227.101", "bind_if": "eth0",
    "bind_port": 4000, "fwmark": 7, **TIMING,
}  # fmt: skip
BFD = {
    "min_rx": 50,
    "min_tx": 50.5,
    "idle_tx": 1000,
    "multiplier": 3,
    "passive": True,
    "ttl": 255,
    "max_hops": 1,
}

FACTS = {
    "os_family": "debian", "os_id": "debian", "os_version": "12", "hostname": "lvs", "kernel": "6.1.0",
    "default_interface": "eth0", "keepalived_version": "2.2.7", "firewall": "none", "network_scripts": False,
    "selinux": "disabled",
}  # fmt: skip

KAFKA_HOSTS = {
    **HOSTS,
    "web1": {**HOSTS["web1"], "kafka_id": 1, "kafka_host": "kafka1.example.org", "zookeeper_id": 7},
    "web2": {**HOSTS["web2"], "kafka_id": 2, "zookeeper_id": 8},
}
KAFKA = {
    "version": "3.9.1", "brokers": "web", "port": 19092, "heap": "2g", "data": ["/data/1", "/data/2"],
    "users": {"admin": {"password": "secret"}, "check": {"password": "probe"}},
    "mechanisms": ["SCRAM-SHA-256", "PLAIN"], "properties": {"num.partitions": 5},
    "distribution": {"archive": "https://kafka.example.org/kafka.tgz", "sha512": "0" * 128},
}  # fmt: skip
KRAFT = {
    **KAFKA, "name": "orders", "mode": "kraft", "controllers": ["web1"],
    "controller_port": 19093, "admin": "check",
}  # fmt: skip
ENSEMBLE = {
    "hosts": "web", "password": "digest", "quorum_password": "quorum", "port": 12181, "peer_port": 12888,
    "election_port": 13888, "heap": "96m",
}  # fmt: skip
KAFKA_CHECK = {"type": "kafka", "login": "check", "timeout": 3, **TIMING}

CASES: dict[str, Case] = {
    "Kafka, KRaft": Case(
        [frontend(services=[service(port=19092, check=KAFKA_CHECK)])], hosts=KAFKA_HOSTS, common={"kafka": KRAFT}
    ),
    "Kafka, ZooKeeper": Case(
        [frontend(services=[service(port=19092, check=KAFKA_CHECK)])],
        hosts=KAFKA_HOSTS,
        common={"kafka": {**KAFKA, "mode": "zookeeper", "zookeeper": ENSEMBLE}},
    ),
    "lab": Case([frontend()]),
    "no services: VRRP alone": Case(
        [frontend(services=[])], hosts={name: {**own, "hactl_roles": ["web"]} for name, own in HOSTS.items()}
    ),
    # --- virtual addresses
    "vip with everything": Case(
        [
            frontend(
                vips=[
                    {"address": "192.168.227.10", "prefix": 24, "interface": "eth0", "label": "eth0:1",
                    "scope": "global"},
                    {"address": "192.168.227.11", "excluded": True, "no_track": True},
                    "192.168.227.12/24",
                ]
            )
        ]
    ),
    "ipv6": Case([frontend(vips=["fd00:227::10"])], hosts=DUAL),
    "both families": Case([frontend(vips=["192.168.227.10", "fd00:227::10/64"])], hosts=DUAL),
    # --- VRRP
    "priorities of the front end": Case([frontend(priorities={"lvs1": 90, "lvs2": 150})]),
    "priority of the host": Case([frontend()], hosts={**HOSTS, "lvs2": {**HOSTS["lvs2"], "vrrp_priority": 200}}),
    "version 2 with a password": _vrrp(version=2, advert_int=1, auth_type="PASS", auth_pass="a#b!{}12"),  # noqa: S106
    "version 2 with IPsec authentication": _vrrp(version=2, auth_type="AH", auth_pass="12345678"),  # noqa: S106
    "version 3, sub-second": _vrrp(version=3, advert_int=0.05, down_timer_adverts=4),
    "nopreempt": _vrrp(nopreempt=True, interface="eth1"),
    "preempt delay": _vrrp(preempt_delay=12.5),
    "unicast": _vrrp(
        unicast={"peers": ["192.168.227.200"], "ttl": 255, "min_ttl": 250, "max_ttl": 255, "check_source": False}
    ),
    "unicast, plain": _vrrp(unicast=True),
    "multicast elsewhere": _vrrp(mcast_dst_ip="224.0.0.118"),
    "virtual MAC": _vrrp(use_vmac={"interface": "vrrp10", "xmit_base": True}),
    "tracking": _vrrp(
        track_interfaces=["eth1", {"interface": "lo", "weight": -10, "reverse": True}],
        track_scripts=[
            {
                "name": "chk_proxy", "script": "/bin/true --fast", "interval": 2, "timeout": 3, "rise": 2, "fall": 3,
                "weight": -20, "user": "root", "group": "root", "init_fail": True, "extra": ["# a note"],
            }
        ],
        track_processes=[
            {
                "name": "sshd", "process": "sshd", "weight": 5, "quorum": 1, "quorum_max": 90, "fork_delay": 0.5,
                "terminate_delay": 0.25, "full_command": True, "extra": ["# a note"],
            },
            {"name": "cron", "process": "cron -f", "param_match": "initial", "delay": 1, "reverse": True},
        ],
        track_files=[
            {"name": "manual", "file": "/run/manual", "weight": -3, "init": 4, "init_overwrite": True,
            "extra": ["# note"]}
        ],
        track_bfd=[
            {
                "name": "router", "neighbor_ip": "192.168.227.1", "source_ip": "192.168.227.101", "weight": -30, **BFD,
                "extra": ["# a note"],
            }
        ],
    ),
    "bfd over IPv6": Case(
        [
            frontend(
                vips=["fd00:227::10"],
                vrrp={
                    "virtual_router_id": 10,
                    "track_bfd": [{"name": "router", "neighbor_ip": "fd00:227::1", "hoplimit": 64}],
                },
            )
        ],
        hosts=DUAL,
    ),
    "GARP of one instance": _vrrp(
        garp_master_delay=2, garp_master_repeat=3, garp_lower_prio_delay=4, garp_lower_prio_repeat=5,
        garp_master_refresh=30, garp_master_refresh_repeat=2,
    ),
    "notify": _vrrp(
        notify_master="/bin/true master",
        notify_backup={"command": "/bin/true", "user": "root", "group": "root"},
        notify_fault="/bin/true",
        notify_stop="/bin/true",
        notify_deleted="/bin/true",
        notify="/bin/true",
        notify_master_rx_lower_pri="/bin/true",
        notify_priority_changes=True,
        smtp_alert=False,
    ),
    "rare switches": _vrrp(
        dont_track_primary=True, track_src_ip=True, promote_secondaries=True, accept=True, skip_check_adv_addr=True,
        lower_prio_no_advert=True, higher_prio_send_advert=False, strict_mode=False,
    ),
    "routes and rules": _vrrp(
        virtual_routes=["192.168.110.0/24 via 192.168.227.254 dev eth0"],
        virtual_rules=["from 192.168.2.0/24 table 1 preference 100"],
        extra=["kernel_rx_buf_size 200000"],
    ),
    "sync group over two front ends": Case(
        [
            frontend(vrrp={"virtual_router_id": 10, "sync_group": "both"}),
            frontend(name="api", vips=["192.168.227.20"], vrrp={"virtual_router_id": 20, "sync_group": "both"}),
        ],
        {
            "sync_groups": [
                {
                    "name": "both", "notify_master": "/bin/true", "smtp_alert": False,
                    "track_interfaces": ["eth1"],
                    "track_files": [{"name": "manual", "file": "/run/manual", "weight": 2}],
                    "extra": ["# a note"],
                }
            ]
        },
    ),
    "active/active": Case(
        [
            frontend(directors=["lvs1", "lvs2"]),
            frontend(name="api", vips=["192.168.227.20"], directors=["lvs2", "lvs1"], vrrp={"virtual_router_id": 20}),
        ]
    ),
    "active/active, connections of one": Case(
        [
            frontend(directors=["lvs1", "lvs2"]),
            frontend(name="api", vips=["192.168.227.20"], directors=["lvs2", "lvs1"], vrrp={"virtual_router_id": 20}),
        ],
        {"lvs_sync_daemon": {"instance": "VI_api"}},
    ),
    # --- services
    **{
        f"scheduler {scheduler}": _service(scheduler=scheduler)
        for scheduler in ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh")
    },
    "scheduler flags of mh": _service(scheduler="mh", scheduler_flags=["mh-port", "mh-fallback"]),
    "scheduler flags of sh": _service(scheduler="sh", scheduler_flags=["sh-port", "sh-fallback"]),
    "scheduler flags by number": _service(scheduler_flags=["flag-1", "flag-2", "flag-3"]),
    "persistence": _service(persistence_timeout=50, persistence_granularity="255.255.255.0", protocol="tcp"),
    "persistence of IPv6": Case(
        [frontend(vips=["fd00:227::10"], services=[service(persistence_timeout=50, persistence_granularity=64)])],
        hosts=DUAL,
    ),
    "every port": _service(port=None, persistence_timeout=50, check={"type": "ping"}),
    "sip over udp": _service(
        port=5060, protocol="udp", persistence_engine="sip", persistence_timeout=60, check={"type": "ping"}
    ),
    "one packet": _service(port=53, protocol="udp", ops=True, check={"type": "dns"}),
    "sctp": _service(port=3868, protocol="sctp", check={"type": "ping"}),
    "nat with another port": _service(forward="nat", real_server_defaults={"port": 8080}),
    "nat, one with another port": _service(forward="nat", real_server_options={"web1": {"port": 8080}}),
    "ipip tunnel": _service(forward="tun"),
    "gue tunnel": _service(forward="tun", tunnel={"type": "gue", "port": 6080, "checksum": "remcsum"}),
    "gue tunnel, plain": _service(forward="tun", tunnel={"type": "gue", "port": 6080}),
    "gre tunnel, plain": _service(forward="tun", tunnel={"type": "gre"}),
    "gre tunnel": _service(forward="tun", tunnel={"type": "gre", "checksum": "csum"}),
    "tunnel across families": Case(
        [frontend(services=[service(forward="tun", check={"type": "ping"})])],
        hosts={  # the kernel takes no such real server while connections are synchronised
            **{name: {**HOSTS[name], "keepalived": {"lvs_sync_daemon": False}} for name in ("lvs1", "lvs2")},
            "web1": {"ansible_host": "fd00:227::103"},
            "web2": {"ansible_host": "fd00:227::104"},
        },
    ),
    "firewall mark": _service(port=None, fwmark=5, check={"type": "tcp", "port": 80}),
    "firewall mark in both families": Case(
        [
            frontend(
                vips=["192.168.227.10", "fd00:227::10"], services=[service(port=None, fwmark=6, check={"type": "ping"})]
            )
        ],
        hosts=DUAL,
    ),
    "firewall mark, IPv6 tunnel": Case(
        [
            frontend(
                vips=["fd00:227::10"],
                services=[service(port=None, fwmark=6, forward="tun", check={"type": "ping"})],
            )
        ],
        hosts=DUAL,
    ),
    "virtual server group": _service(
        virtual_server_group={
            "name": "pages", "ranges": ["192.168.227.30-32", "192.168.227.40/30"],
        },
    ),
    "virtual server group of marks": _service(
        port=None, virtual_server_group={"name": "marked", "fwmarks": [3, 4]}, check={"type": "ping"}
    ),
    "virtual server groups of both families": Case(
        [frontend(vips=["192.168.227.10", "fd00:227::10"], services=[service(virtual_server_group="pages")])],
        hosts=DUAL,
    ),
    "service on one of the VIPs": Case(
        [frontend(vips=["192.168.227.10", "192.168.227.11"], services=[service(vips=["192.168.227.11"])])]
    ),
    "quorum": _service(
        quorum=2, hysteresis=1, quorum_up="/bin/true up", quorum_down={"command": "/bin/true", "user": "root"},
        alpha=True, omega=True, inhibit_on_failure=True,
    ),
    "sorry server": _service(
        sorry_server={
            "address": "192.168.227.200", "port": 8000, "forward": "nat", "inhibit": True,
        },
    ),
    "sorry server in a tunnel": _service(
        sorry_server={"address": "192.168.227.200", "forward": "tun", "tunnel": {"type": "gre"}}
    ),
    "sorry server, plain": _service(sorry_server="192.168.227.200"),
    "timing of a service": _service(
        ha_suspend=True, delay_loop=5, connect_timeout=2.5, retry=2, delay_before_retry=1, warmup=0, smtp_alert=False,
        virtualhost="www.example.com", snmp_name="pages", extra=["# a note"],
    ),
    "real servers": _service(
        scheduler="wrr",
        real_server_defaults={"weight": 3, "uthreshold": 1000, "lthreshold": 800},
        real_server_options={
            "web1": {
                "address": "192.168.227.113", "port": 80, "weight": 0, "forward": "tun",
                "tunnel": {"type": "gue", "port": 6080}, "check": {"type": "ping"}, "inhibit_on_failure": True,
                "notify_up": "/bin/true", "notify_down": "/bin/true", "smtp_alert": False,
                "virtualhost": "web1.example.com", "snmp_name": "web1", "alpha": True, "connect_timeout": 1.5,
                "retry": 4,
                "delay_before_retry": 2, "warmup": 1, "delay_loop": 8, "extra": ["# a note"],
            }
        },
    ),
    "no check": _service(check=None),
    # --- checks
    "tcp check": _check(type="tcp", **CONNECTING),
    "http check": _check(
        type="http",
        http_protocol="1.1",
        fast_recovery=True,
        virtualhost="www.example.com",
        urls=[
            {"path": "/", "status_code": 200},
            {"path": "/a?b=c", "digest": "9b3a0c85a887a256d6939da88aabd8cd", "virtualhost": "api.example.com"},
            {
                "path": "/status", "status_code": ["200-299", 404], "regex": r"up: \d{2,} # of {all}$",
                "regex_no_match": True, "regex_options": ["caseless", "multiline"], "regex_stack": [1024, 4096],
                "regex_min_offset": 1, "regex_max_offset": 500,
            },
        ],
    ),
    "ssl check": _check(type="ssl", enable_sni=True, http_protocol="1.0C", fast_recovery=False, virtualhost="a.example",
                        urls=[{"path": "/healthz"}], port=443),
    "dns check": _check(type="dns", query_type="AAAA", name="example.com"),
    "smtp check": _check(type="smtp", helo_name="director one", port=25),
    "udp check": _check(type="udp", payload="0a 1b", require_reply=True, min_reply_length=1, max_reply_length=64),
    "udp check with a reply": _check(type="udp", reply="0aXX"),
    "ping check": _check(type="ping", timeout=1),
    "misc check": _check(type="misc", script="/bin/true 1 2", timeout=5, dynamic=True, user="root", group="root"),
    "file check": _check(type="file", file="/run/weight", weight=2, reverse=True, init=0),
    "bfd check": _check(type="bfd", **BFD),
    "bfd check over IPv6": Case(
        [frontend(vips=["fd00:227::10"], services=[service(check={"type": "bfd", "hoplimit": 64})])], hosts=DUAL
    ),
    "several checks": _service(check=[{"type": "tcp"}, {"type": "ping"}]),
    # --- the director
    "names and scripts": _keepalived(
        router_id="LVS 01 {a}",
        process_names=True,
        script_user="root",
        script_group="root",
        enable_script_security=True,
        startup_script={"command": "/bin/true", "user": "root"},
        startup_script_timeout=5,
        shutdown_script="/bin/true",
        shutdown_script_timeout=6,
    ),
    "script security without scripts": _keepalived(enable_script_security=True),
    "mail": Case(
        [frontend(vrrp={"virtual_router_id": 10, "smtp_alert": True})],
        {
            "notification_email": ["ops@example.com", "duty@example.com"],
            "notification_email_from": "lvs@example.com",
            "smtp_server": {"host": "192.168.227.25", "port": 2525},
            "smtp_helo_name": "lvs.example.com",
            "smtp_connect_timeout": 10,
            "smtp_alert": True,
            "smtp_alert_vrrp": True,
            "smtp_alert_checker": False,
            "no_email_faults": True,
            "no_checker_emails": True,
            "checker_log_all_failures": True,
            "rs_init_notifies": True,
        },
    ),
    "mail to the local server": _keepalived(notification_email=["ops@example.com"], smtp_server="127.0.0.1"),
    "connection sync": _keepalived(
        lvs_sync_daemon={
            "interface": "eth1", "instance": "VI_web", "sync_id": 51, "maxlen": 1000, "port": 8849, "ttl": 2,
            "group": "224.0.0.82",
        },
        lvs_timeouts={"tcp": 900, "tcpfin": 120, "udp": 300},
        lvs_flush=True,
        lvs_flush_on_stop="VS",
    ),
    "no connection sync": _keepalived(lvs_sync_daemon=False, lvs_flush_on_stop=True),
    "GARP of all instances": _keepalived(
        vrrp_garp_master_delay=2, vrrp_garp_master_repeat=3, vrrp_garp_lower_prio_delay=1,
        vrrp_garp_lower_prio_repeat=2,
        vrrp_garp_master_refresh=0, vrrp_garp_master_refresh_repeat=2, vrrp_garp_interval=0.001,
        vrrp_gna_interval=0.000001,
        vrrp_garp_extra_if=100,
        garp_groups=[
            {"interfaces": ["eth0"], "garp_interval": 0.5},
            {"interfaces": ["eth1", "lo"], "gna_interval": 0.5},
        ],
    ),
    "fewest GARPs": _keepalived(vrrp_min_garp=True),
    "VRRP globals": _keepalived(
        vrrp_mcast_group4="224.0.0.118", vrrp_mcast_group6="ff02::112", vrrp_down_timer_adverts=4,
        vrrp_lower_prio_no_advert=False, vrrp_higher_prio_send_advert=False, vrrp_check_unicast_src=True,
        vrrp_skip_check_adv_addr=True, vrrp_notify_priority_changes=True, vrrp_startup_delay=1.5,
        dynamic_interfaces=True, log_unknown_vrids=True, disable_local_igmp=True,
    ),
    "strict": Case([frontend()], {"vrrp_strict": True, "vrrp_higher_prio_send_advert": None}),
    "processes": _keepalived(
        max_auto_priority=50,
        min_auto_priority_delay=500000,
        vrrp={"priority": -10, "rt_priority": 50, "rlimit_rttime": 10000, "no_swap": True, "cpu_affinity": [0, 1]},
        checker={"priority": 5},
        bfd={"no_swap": True},
    ),
    "fifos": _keepalived(
        notify_fifo={"path": "/run/all.fifo", "user": "root", "group": "root", "script": "/bin/true all"},
        vrrp_notify_fifo="/run/vrrp.fifo",
        lvs_notify_fifo="/run/lvs.fifo",
        fifo_write_vrrp_states_on_reload=True,
    ),
    "snmp and dbus": _keepalived(
        enable_snmp_vrrp=True, enable_snmp_checker=True, enable_snmp_rfc=True, enable_traps=True,
        snmp_socket="udp:127.0.0.1:705", enable_dbus=True,
    ),
    "interfaces": _keepalived(
        interface_up_down_delays=[{"interface": "eth1", "down": 0.1, "up": 0.2}, {"interface": "lo", "down": 0.3}],
        linkbeat_interfaces=["eth1"],
    ),
    "client certificate": Case(
        [frontend(services=[service(check={"type": "ssl"})])],
        {"ssl": {"password": "secret#1", "ca": "/etc/ssl/ca.pem", "certificate": "/etc/ssl/c.pem",
        "key": "/etc/ssl/k.pem"}},
    ),
    "extra": _keepalived(
        extra=["vrrp_rx_bufs_policy MTU", "vrrp_rx_bufs_multiplier 4"],
        extra_blocks=["static_ipaddress {", "    192.168.9.1/24 dev eth1", "}"],
    ),
    "ipvsadm owns the table": Case([frontend(ipvs_manager="ipvsadm")]),
    "ipvsadm owns it, as a variable": Case([frontend()], common={"ipvs_manager": "ipvsadm"}),
    "interface of the host": Case([frontend()], hosts={**HOSTS, "lvs1": {**HOSTS["lvs1"], "interface": "eth1"}}),
    "facts of the host": Case([frontend()], hosts={**HOSTS, "lvs1": {**HOSTS["lvs1"], "hactl_facts": FACTS}}),
    "a further role": Case([frontend()], hosts={**HOSTS, "web1": {**HOSTS["web1"], "hactl_roles": ["web"]}}),
}  # fmt: skip
