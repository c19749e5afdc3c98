"""What is said first to a service, and what counts as an answer to it."""

from __future__ import annotations

import signal
import ssl
import struct
import sys
import time
from pathlib import Path

import pytest

from provision.formats.certificates import issue, make
from provision.prober import measure
from provision.prober.client import exchange
from provision.prober.record import ProbeService
from provision.prober.session import Prober
from tests.prober.lan import Lan
from tests.waiting import wait_until

SERVER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
listening = socket.create_server(("", 443), backlog=256)
print("ready", flush=True)
while True:
    taken, _ = listening.accept()
    try:
        context.wrap_socket(taken, server_side=True).close()
    except OSError:
        taken.close()
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a key and its certificate."""
    path = tmp_path / "web.pem"
    path.write_text(issue(make("web"), "web", frozenset(["192.0.2.1"])))
    return path


def answer_of(context: ssl.SSLContext, hello: bytes) -> bytes:
    """What a TLS server sends to the first words of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(hello)
    try:
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    except ssl.SSLError:  # it wants more, or it refuses
        return outgoing.read()
    raise AssertionError("a handshake takes more than one word")


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_tls_server_greets_back_again_and_again(
    certificate: Path, newest: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(certificate)
    request = exchange.of("tls", None, "")
    assert request is not None
    for _ in range(2):
        assert request.good(answer_of(context, request.request)[: request.length])


def test_an_alert_is_no_greeting(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-GCM-SHA256")  # wants RSA, and the key is none
    context.load_cert_chain(certificate)
    answer = answer_of(context, exchange.client_hello(""))
    assert answer[:1] == b"\x15" and not exchange.server_hello(answer)


def test_the_name_of_a_host_is_told() -> None:
    assert b"www.example.org" in exchange.client_hello("www.example.org")


def test_a_broker_tells_its_versions() -> None:
    request = exchange.of("kafka", None, "")
    assert request is not None
    (length,) = struct.unpack(">i", request.request[:4])
    assert length == len(request.request) - 4
    key, version, correlation = struct.unpack(">hhi", request.request[4:12])
    assert (key, version) == (18, 0)  # ApiVersions
    assert request.good(struct.pack(">iihi", 10, correlation, 0, 0)[: request.length])
    assert not request.good(struct.pack(">iihi", 10, correlation, 35, 0)[: request.length])
    assert not request.good(struct.pack(">iihi", 10, correlation + 1, 0, 0)[: request.length])
    assert not request.good(b"HTTP/1.1 400")


def test_a_plain_service_is_asked_nothing() -> None:
    assert exchange.of("", None, "www.example.org") is None


def test_some_requests_are_greetings_where_the_service_speaks_tls(
    lan: Lan, certificate: Path
) -> None:
    server = lan.b.popen(sys.executable, "-c", SERVER, str(certificate))
    web = ProbeService("web", "web", lan.b.address, 443, opening="tls")
    try:
        assert server.stdout and server.stdout.readline() == "ready\n"
        with Prober.start(lan.session(), [web], connections=0) as prober:
            wait_until(lambda: len(prober.recording().requests) > 100, 5, what="requests")
            recording = prober.stop()
    finally:
        server.kill()
        server.wait()
    assert prober.services == (web,) and not prober.messages
    assert measure.failed(recording.requests) == 0
    # An answer takes a round trip and a signature more than a connection.
    greeted = [
        at
        for at, request in enumerate(recording.requests)
        if (request.done or 0) > (request.connect or 9)
    ]
    assert greeted == list(range(0, len(recording.requests), exchange.TLS_INTERVAL))


def test_a_server_that_accepts_and_says_nothing_is_found_out(lan: Lan, certificate: Path) -> None:
    server = lan.b.popen(sys.executable, "-c", SERVER, str(certificate))
    web = ProbeService("web", "web", lan.b.address, 443, opening="tls")
    try:
        assert server.stdout and server.stdout.readline() == "ready\n"
        with Prober.start(lan.session(), [web], connections=0) as prober:
            server.send_signal(signal.SIGSTOP)
            time.sleep(4)
            recording = prober.stop()
    finally:
        server.kill()
        server.wait()
    assert measure.failed(recording.requests) >= 200 * 4 // exchange.TLS_INTERVAL - 2


def test_what_speaks_something_else_is_only_connected_to(lan: Lan) -> None:
    with lan.b.web(84):
        web = ProbeService("web", "web", lan.b.address, 84, opening="tls")
        with Prober.start(lan.session(), [web], connections=0) as prober:
            wait_until(lambda: len(prober.recording().requests) > 20, 5, what="requests")
            recording = prober.stop()
    assert prober.services[0].opening == ""
    assert "plain connections are measured; it answers no TLS client" in prober.messages[0]
    assert measure.failed(recording.requests) == 0
