"""Cases of services and their real servers."""

from __future__ import annotations

from tests.inventory.building import DUAL, HOSTS, frontend, service
from tests.roles.keepalived_cases.case import (
    Case,
    service_case,
)

CASES: dict[str, Case] = {
    **{
        f"scheduler {scheduler}": service_case(scheduler=scheduler)
        for scheduler in (
            "rr",
            "wrr",
            "lc",
            "wlc",
            "lblc",
            "lblcr",
            "dh",
            "sh",
            "sed",
            "nq",
            "fo",
            "ovf",
            "mh",
        )
    },
    "scheduler flags of mh": service_case(
        scheduler="mh", scheduler_flags=["mh-port", "mh-fallback"]
    ),
    "scheduler flags of sh": service_case(
        scheduler="sh", scheduler_flags=["sh-port", "sh-fallback"]
    ),
    "scheduler flags by number": service_case(scheduler_flags=["flag-1", "flag-2", "flag-3"]),
    "persistence": service_case(
        persistence_timeout=50, persistence_granularity="255.255.255.0", protocol="tcp"
    ),
    "persistence of IPv6": Case(
        [
            frontend(
                vips=["fd00:227::10"],
                services=[service(persistence_timeout=50, persistence_granularity=64)],
            )
        ],
        hosts=DUAL,
    ),
    "every port": service_case(port=None, persistence_timeout=50, check={"type": "ping"}),
    "sip over udp": service_case(
        port=5060,
        protocol="udp",
        persistence_engine="sip",
        persistence_timeout=60,
        check={"type": "ping"},
    ),
    "one packet": service_case(port=53, protocol="udp", ops=True, check={"type": "dns"}),
    "sctp": service_case(port=3868, protocol="sctp", check={"type": "ping"}),
    "nat with another port": service_case(forward="nat", real_server_defaults={"port": 8080}),
    "nat, one with another port": service_case(
        forward="nat", real_server_options={"web1": {"port": 8080}}
    ),
    "ipip tunnel": service_case(forward="tun"),
    "gue tunnel": service_case(
        forward="tun", tunnel={"type": "gue", "port": 6080, "checksum": "remcsum"}
    ),
    "gue tunnel, plain": service_case(forward="tun", tunnel={"type": "gue", "port": 6080}),
    "gre tunnel, plain": service_case(forward="tun", tunnel={"type": "gre"}),
    "gre tunnel": service_case(forward="tun", tunnel={"type": "gre", "checksum": "csum"}),
    "tunnel across families": Case(
        [frontend(services=[service(forward="tun", check={"type": "ping"})])],
        hosts={  # the kernel takes no such real server while connections are synchronised
            **{
                name: {**HOSTS[name], "keepalived": {"lvs_sync_daemon": False}}
                for name in ("lvs1", "lvs2")
            },
            "web1": {"ansible_host": "fd00:227::103"},
            "web2": {"ansible_host": "fd00:227::104"},
        },
    ),
    "firewall mark": service_case(port=None, fwmark=5, check={"type": "tcp", "port": 80}),
    "firewall mark in both families": Case(
        [
            frontend(
                vips=["192.168.227.10", "fd00:227::10"],
                services=[service(port=None, fwmark=6, check={"type": "ping"})],
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
    "virtual server group": service_case(
        virtual_server_group={
            "name": "pages",
            "ranges": ["192.168.227.30-32", "192.168.227.40/30"],
        },
    ),
    "virtual server group of marks": service_case(
        port=None,
        virtual_server_group={"name": "marked", "fwmarks": [3, 4]},
        check={"type": "ping"},
    ),
    "virtual server groups of both families": Case(
        [
            frontend(
                vips=["192.168.227.10", "fd00:227::10"],
                services=[service(virtual_server_group="pages")],
            )
        ],
        hosts=DUAL,
    ),
    "service on one of the VIPs": Case(
        [
            frontend(
                vips=["192.168.227.10", "192.168.227.11"],
                services=[service(vips=["192.168.227.11"])],
            )
        ]
    ),
    "quorum": service_case(
        quorum=2,
        hysteresis=1,
        quorum_up="/bin/true up",
        quorum_down={"command": "/bin/true", "user": "root"},
        alpha=True,
        omega=True,
        inhibit_on_failure=True,
    ),
    "sorry server": service_case(
        sorry_server={
            "address": "192.168.227.200",
            "port": 8000,
            "forward": "nat",
            "inhibit": True,
        },
    ),
    "sorry server in a tunnel": service_case(
        sorry_server={"address": "192.168.227.200", "forward": "tun", "tunnel": {"type": "gre"}}
    ),
    "sorry server, plain": service_case(sorry_server="192.168.227.200"),
    "timing of a service": service_case(
        ha_suspend=True,
        delay_loop=5,
        connect_timeout=2.5,
        retry=2,
        delay_before_retry=1,
        warmup=0,
        smtp_alert=False,
        virtualhost="www.example.com",
        snmp_name="pages",
        extra=["# a note"],
    ),
    "real servers": service_case(
        scheduler="wrr",
        real_server_defaults={"weight": 3, "uthreshold": 1000, "lthreshold": 800},
        real_server_options={
            "web1": {
                "address": "192.168.227.113",
                "port": 80,
                "weight": 0,
                "forward": "tun",
                "tunnel": {"type": "gue", "port": 6080},
                "check": {"type": "ping"},
                "inhibit_on_failure": True,
                "notify_up": "/bin/true",
                "notify_down": "/bin/true",
                "smtp_alert": False,
                "virtualhost": "web1.example.com",
                "snmp_name": "web1",
                "alpha": True,
                "connect_timeout": 1.5,
                "retry": 4,
                "delay_before_retry": 2,
                "warmup": 1,
                "delay_loop": 8,
                "extra": ["# a note"],
            }
        },
    ),
    "no check": service_case(check=None),
}
