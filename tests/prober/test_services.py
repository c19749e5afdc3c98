"""What of an inventory is probed."""

from __future__ import annotations

import pytest

from provision.inventory.topology import build
from provision.prober.record import ProbeService
from provision.prober.services import services_of
from tests.inventory.building import DUAL, frontend, service, topology
from tests.inventory.test_kafka import site


def test_every_tcp_service_is_probed_on_each_of_its_addresses() -> None:
    both = frontend(vips=["192.168.227.10", "fd00:227::10"])
    services, messages = services_of(topology([both], hosts=DUAL))
    assert services == (
        ProbeService("web", "web 192.168.227.10:80", "192.168.227.10", 80, "/"),
        ProbeService("web", "web [fd00:227::10]:80", "fd00:227::10", 80, "/"),
    )
    assert messages == ()


def test_an_http_check_knows_the_page_and_the_host() -> None:
    check = {
        "type": "http",
        "urls": [{"path": "/health", "virtualhost": "www.example.org"}, {"path": "/"}],
    }
    services, _ = services_of(topology([frontend(services=[service(check=check)])]))
    assert (services[0].path, services[0].host) == ("/health", "www.example.org")
    options = {"real_server_defaults": {"check": {"type": "http", "virtualhost": "rs.example.org"}}}
    services, _ = services_of(topology([frontend(services=[service(**options)])]))
    assert (services[0].path, services[0].host) == ("/", "rs.example.org")


@pytest.mark.parametrize(("tls", "opening"), [("generated", "tls"), (None, "kafka")])
def test_brokers_are_asked_as_a_client_of_theirs_begins(tls: str | None, opening: str) -> None:
    services, _ = services_of(build(site(tls=tls)))
    assert services == (
        ProbeService("web", "web 192.168.227.10:9092", "192.168.227.10", 9092, opening=opening),
    )


def test_what_is_checked_over_tls_is_asked_over_tls() -> None:
    check = {"type": "ssl", "urls": [{"path": "/"}]}
    services, _ = services_of(
        topology([frontend(services=[service(port=443, check=check, virtualhost="www.example")])])
    )
    assert (services[0].opening, services[0].path, services[0].host) == ("tls", None, "www.example")


def test_what_cannot_be_probed_is_said() -> None:
    others = [
        service(protocol="udp", port=53),
        service(port=None, fwmark=7, check={"type": "tcp", "port": 80}),
        service(port=None, persistence_timeout=50, check={"type": "tcp", "port": 80}),
    ]
    services, messages = services_of(topology([frontend(services=others)]))
    assert services == ()
    assert messages == (
        "web: UDP port 53 is not probed: a probe needs connections, UDP has none",
        "web: fwmark 7 is not probed: it names no port to connect to",
        "web: TCP on every port is not probed: it names no port to connect to",
    )
