"""A run against servers that are no brokers: nothing was reached, so all checks are unknown."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provision.core.errors import Exit
from provision.kafka import admin
from provision.kafka.client_file import Login
from provision.kafka.raw_client import connect
from provision.kafka.verify.model import KafkaVerification
from provision.kafka.verify.refusals import VerifyEnvironment
from provision.kafka.verify.run import run
from tests.kafka.cluster import free_ports
from tests.kafka.inventory import project


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the admin client give up soon."""
    monkeypatch.setattr(admin, "ADMIN_TIMEOUT", 0.2)


class HttpServer(socketserver.BaseRequestHandler):
    """Answers everything as an HTTP server does that does not understand the request."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")


@pytest.fixture
def http_port() -> Iterator[int]:
    """Yield the port of an HTTP server."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HttpServer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def verify(folder: Path, port: int) -> KafkaVerification:
    """Verify a cluster without TLS whose brokers are all at this port of the loopback interface."""
    cluster = project(folder, tls=None, port=port).topology.kafka
    assert cluster
    nodes = tuple(replace(node, endpoint="127.0.0.1") for node in cluster.nodes)
    login = Login((("127.0.0.1", port),), "SASL_PLAINTEXT", "SCRAM-SHA-512", "admin", "unknown")
    environment = VerifyEnvironment(
        replace(cluster, nodes=nodes), login, lambda address: connect(Login((address,)))
    )
    return run(environment, lambda _: None)


def test_an_http_server_in_place_of_the_brokers_is_not_reached_and_no_failure(
    tmp_path: Path, http_port: int
) -> None:
    verification = verify(tmp_path, http_port)
    assert {result.answer for result in verification.completed} == {"not an answer"}
    assert (verification.reached, verification.exit) == (False, Exit.UNREACHABLE)


def test_without_a_server_nothing_is_reached(tmp_path: Path) -> None:
    verification = verify(tmp_path, free_ports(1)[0])
    assert {result.answer for result in verification.completed} == {"unreachable"}
    assert (verification.reached, verification.exit) == (False, Exit.UNREACHABLE)
