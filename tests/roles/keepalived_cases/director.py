"""Cases of settings of the director."""

from __future__ import annotations

from tests.inventory.building import HOSTS, frontend, service
from tests.roles.keepalived_cases.case import (
    Case,
    keepalived_case,
)

FACTS = {
    "os_family": "debian",
    "os_id": "debian",
    "os_version": "12",
    "hostname": "lvs",
    "kernel": "6.1.0",
    "default_interface": "eth0",
    "keepalived_version": "2.2.7",
    "firewall": "none",
    "network_scripts": False,
    "selinux": "disabled",
}

CASES: dict[str, Case] = {
    "names and scripts": keepalived_case(
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
    "script security without scripts": keepalived_case(enable_script_security=True),
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
    "mail to the local server": keepalived_case(
        notification_email=["ops@example.com"], smtp_server="127.0.0.1"
    ),
    "connection sync": keepalived_case(
        lvs_sync_daemon={
            "interface": "eth1",
            "instance": "VI_web",
            "sync_id": 51,
            "maxlen": 1000,
            "port": 8849,
            "ttl": 2,
            "group": "224.0.0.82",
        },
        lvs_timeouts={"tcp": 900, "tcpfin": 120, "udp": 300},
        lvs_flush=True,
        lvs_flush_on_stop="VS",
    ),
    "no connection sync": keepalived_case(lvs_sync_daemon=False, lvs_flush_on_stop=True),
    "GARP of all instances": keepalived_case(
        vrrp_garp_master_delay=2,
        vrrp_garp_master_repeat=3,
        vrrp_garp_lower_prio_delay=1,
        vrrp_garp_lower_prio_repeat=2,
        vrrp_garp_master_refresh=0,
        vrrp_garp_master_refresh_repeat=2,
        vrrp_garp_interval=0.001,
        vrrp_gna_interval=0.000001,
        vrrp_garp_extra_if=100,
        garp_groups=[
            {"interfaces": ["eth0"], "garp_interval": 0.5},
            {"interfaces": ["eth1", "lo"], "gna_interval": 0.5},
        ],
    ),
    "fewest GARPs": keepalived_case(vrrp_min_garp=True),
    "VRRP globals": keepalived_case(
        vrrp_mcast_group4="224.0.0.118",
        vrrp_mcast_group6="ff02::112",
        vrrp_down_timer_adverts=4,
        vrrp_lower_prio_no_advert=False,
        vrrp_higher_prio_send_advert=False,
        vrrp_check_unicast_src=True,
        vrrp_skip_check_adv_addr=True,
        vrrp_notify_priority_changes=True,
        vrrp_startup_delay=1.5,
        dynamic_interfaces=True,
        log_unknown_vrids=True,
        disable_local_igmp=True,
    ),
    "strict": Case([frontend()], {"vrrp_strict": True, "vrrp_higher_prio_send_advert": None}),
    "processes": keepalived_case(
        max_auto_priority=50,
        min_auto_priority_delay=500000,
        vrrp={
            "priority": -10,
            "rt_priority": 50,
            "rlimit_rttime": 10000,
            "no_swap": True,
            "cpu_affinity": [0, 1],
        },
        checker={"priority": 5},
        bfd={"no_swap": True},
    ),
    "fifos": keepalived_case(
        notify_fifo={
            "path": "/run/all.fifo",
            "user": "root",
            "group": "root",
            "script": "/bin/true all",
        },
        vrrp_notify_fifo="/run/vrrp.fifo",
        lvs_notify_fifo="/run/lvs.fifo",
        fifo_write_vrrp_states_on_reload=True,
    ),
    "snmp and dbus": keepalived_case(
        enable_snmp_vrrp=True,
        enable_snmp_checker=True,
        enable_snmp_rfc=True,
        enable_traps=True,
        snmp_socket="udp:127.0.0.1:705",
        enable_dbus=True,
    ),
    "interfaces": keepalived_case(
        interface_up_down_delays=[
            {"interface": "eth1", "down": 0.1, "up": 0.2},
            {"interface": "lo", "down": 0.3},
        ],
        linkbeat_interfaces=["eth1"],
    ),
    "client certificate": Case(
        [frontend(services=[service(check={"type": "ssl"})])],
        {
            "ssl": {
                "password": "secret#1",
                "ca": "/etc/ssl/ca.pem",
                "certificate": "/etc/ssl/c.pem",
                "key": "/etc/ssl/k.pem",
            }
        },
    ),
    "extra": keepalived_case(
        extra=["vrrp_rx_bufs_policy MTU", "vrrp_rx_bufs_multiplier 4"],
        extra_blocks=["static_ipaddress {", "    192.168.9.1/24 dev eth1", "}"],
    ),
    "ipvsadm owns the table": Case([frontend(ipvs_manager="ipvsadm")]),
    "ipvsadm owns it, as a variable": Case([frontend()], common={"ipvs_manager": "ipvsadm"}),
    "interface of the host": Case(
        [frontend()], hosts={**HOSTS, "lvs1": {**HOSTS["lvs1"], "interface": "eth1"}}
    ),
    "facts of the host": Case(
        [frontend()], hosts={**HOSTS, "lvs1": {**HOSTS["lvs1"], "hactl_facts": FACTS}}
    ),
    "a further role": Case(
        [frontend()], hosts={**HOSTS, "web1": {**HOSTS["web1"], "hactl_roles": ["web"]}}
    ),
}
