"""Cases of checks."""

from __future__ import annotations

from tests.inventory.building import DUAL, frontend, service
from tests.roles.keepalived_cases.case import (
    BFD,
    TIMING,
    Case,
    check_case,
    service_case,
)

CONNECTING = {
    "timeout": 3,
    "connect_ip": "192.168.227.103",
    "port": 8080,
    "bindto": "192.168.227.101",
    "bind_if": "eth0",
    "bind_port": 4000,
    "fwmark": 7,
    **TIMING,
}
CASES: dict[str, Case] = {
    "tcp check": check_case(type="tcp", **CONNECTING),
    "http check": check_case(
        type="http",
        http_protocol="1.1",
        fast_recovery=True,
        virtualhost="www.example.com",
        urls=[
            {"path": "/", "status_code": 200},
            {
                "path": "/a?b=c",
                "digest": "9b3a0c85a887a256d6939da88aabd8cd",
                "virtualhost": "api.example.com",
            },
            {
                "path": "/status",
                "status_code": ["200-299", 404],
                "regex": r"up: \d{2,} # of {all}$",
                "regex_no_match": True,
                "regex_options": ["caseless", "multiline"],
                "regex_stack": [1024, 4096],
                "regex_min_offset": 1,
                "regex_max_offset": 500,
            },
        ],
    ),
    "ssl check": check_case(
        type="ssl",
        enable_sni=True,
        http_protocol="1.0C",
        fast_recovery=False,
        virtualhost="a.example",
        urls=[{"path": "/healthz"}],
        port=443,
    ),
    "dns check": check_case(type="dns", query_type="AAAA", name="example.com"),
    "smtp check": check_case(type="smtp", helo_name="director one", port=25),
    "udp check": check_case(
        type="udp", payload="0a 1b", require_reply=True, min_reply_length=1, max_reply_length=64
    ),
    "udp check with a reply": check_case(type="udp", reply="0aXX"),
    "ping check": check_case(type="ping", timeout=1),
    "misc check": check_case(
        type="misc", script="/bin/true 1 2", timeout=5, dynamic=True, user="root", group="root"
    ),
    "file check": check_case(type="file", file="/run/weight", weight=2, reverse=True, init=0),
    "bfd check": check_case(type="bfd", **BFD),
    "bfd check over IPv6": Case(
        [
            frontend(
                vips=["fd00:227::10"], services=[service(check={"type": "bfd", "hoplimit": 64})]
            )
        ],
        hosts=DUAL,
    ),
    "several checks": service_case(check=[{"type": "tcp"}, {"type": "ping"}]),
}
