"""Cases of virtual addresses and VRRP."""

from __future__ import annotations

from tests.inventory.building import DUAL, HOSTS, frontend
from tests.roles.keepalived_cases.case import (
    BFD,
    Case,
    vrrp_case,
)

CASES: dict[str, Case] = {
    "vip with everything": Case(
        [
            frontend(
                vips=[
                    {
                        "address": "192.168.227.10",
                        "prefix": 24,
                        "interface": "eth0",
                        "label": "eth0:1",
                        "scope": "global",
                    },
                    {"address": "192.168.227.11", "excluded": True, "no_track": True},
                    "192.168.227.12/24",
                ]
            )
        ]
    ),
    "ipv6": Case([frontend(vips=["fd00:227::10"])], hosts=DUAL),
    "both families": Case([frontend(vips=["192.168.227.10", "fd00:227::10/64"])], hosts=DUAL),
    "priorities of the front end": Case([frontend(priorities={"lvs1": 90, "lvs2": 150})]),
    "priority of the host": Case(
        [frontend()], hosts={**HOSTS, "lvs2": {**HOSTS["lvs2"], "vrrp_priority": 200}}
    ),
    "version 2 with a password": vrrp_case(
        version=2,
        advert_int=1,
        auth_type="PASS",
        auth_pass="a#b!{}12",  # noqa: S106
    ),
    "version 2 with IPsec authentication": vrrp_case(
        version=2,
        auth_type="AH",
        auth_pass="12345678",  # noqa: S106
    ),
    "version 3, sub-second": vrrp_case(version=3, advert_int=0.05, down_timer_adverts=4),
    "nopreempt": vrrp_case(nopreempt=True, interface="eth1"),
    "preempt delay": vrrp_case(preempt_delay=12.5),
    "unicast": vrrp_case(
        unicast={
            "peers": ["192.168.227.200"],
            "ttl": 255,
            "min_ttl": 250,
            "max_ttl": 255,
            "check_source": False,
        }
    ),
    "unicast, plain": vrrp_case(unicast=True),
    "multicast elsewhere": vrrp_case(mcast_dst_ip="224.0.0.118"),
    "virtual MAC": vrrp_case(use_vmac={"interface": "vrrp10", "xmit_base": True}),
    "tracking": vrrp_case(
        track_interfaces=["eth1", {"interface": "lo", "weight": -10, "reverse": True}],
        track_scripts=[
            {
                "name": "chk_proxy",
                "script": "/bin/true --fast",
                "interval": 2,
                "timeout": 3,
                "rise": 2,
                "fall": 3,
                "weight": -20,
                "user": "root",
                "group": "root",
                "init_fail": True,
                "extra": ["# a note"],
            }
        ],
        track_processes=[
            {
                "name": "sshd",
                "process": "sshd",
                "weight": 5,
                "quorum": 1,
                "quorum_max": 90,
                "fork_delay": 0.5,
                "terminate_delay": 0.25,
                "full_command": True,
                "extra": ["# a note"],
            },
            {
                "name": "cron",
                "process": "cron -f",
                "param_match": "initial",
                "delay": 1,
                "reverse": True,
            },
        ],
        track_files=[
            {
                "name": "manual",
                "file": "/run/manual",
                "weight": -3,
                "init": 4,
                "init_overwrite": True,
                "extra": ["# note"],
            }
        ],
        track_bfd=[
            {
                "name": "router",
                "neighbor_ip": "192.168.227.1",
                "source_ip": "192.168.227.101",
                "weight": -30,
                **BFD,
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
    "GARP of one instance": vrrp_case(
        garp_master_delay=2,
        garp_master_repeat=3,
        garp_lower_prio_delay=4,
        garp_lower_prio_repeat=5,
        garp_master_refresh=30,
        garp_master_refresh_repeat=2,
    ),
    "notify": vrrp_case(
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
    "rare switches": vrrp_case(
        dont_track_primary=True,
        track_src_ip=True,
        promote_secondaries=True,
        accept=True,
        skip_check_adv_addr=True,
        lower_prio_no_advert=True,
        higher_prio_send_advert=False,
        strict_mode=False,
    ),
    "routes and rules": vrrp_case(
        virtual_routes=["192.168.110.0/24 via 192.168.227.254 dev eth0"],
        virtual_rules=["from 192.168.2.0/24 table 1 preference 100"],
        extra=["kernel_rx_buf_size 200000"],
    ),
    "sync group over two front ends": Case(
        [
            frontend(vrrp={"virtual_router_id": 10, "sync_group": "both"}),
            frontend(
                name="api",
                vips=["192.168.227.20"],
                vrrp={"virtual_router_id": 20, "sync_group": "both"},
            ),
        ],
        {
            "sync_groups": [
                {
                    "name": "both",
                    "notify_master": "/bin/true",
                    "smtp_alert": False,
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
            frontend(
                name="api",
                vips=["192.168.227.20"],
                directors=["lvs2", "lvs1"],
                vrrp={"virtual_router_id": 20},
            ),
        ]
    ),
    "active/active, connections of one": Case(
        [
            frontend(directors=["lvs1", "lvs2"]),
            frontend(
                name="api",
                vips=["192.168.227.20"],
                directors=["lvs2", "lvs1"],
                vrrp={"virtual_router_id": 20},
            ),
        ],
        {"lvs_sync_daemon": {"instance": "VI_api"}},
    ),
}
