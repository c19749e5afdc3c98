"""The proxy to where the hosts are: through a real sshd, and what it refuses."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.hosts.tunnel import connect_through, tunnel
from tests.hosts.conftest import Net


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that answers with what it was sent once it has been sent everything."""

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                data = b""
                while part := connection.recv(65536):
                    data += part
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def read_all(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def test_bytes_pass_both_ways_and_the_end_of_one_is_not_the_end_of_the_other(echo: int) -> None:
    straight = tunnel(lambda host, port: socket.create_connection((host, port)))
    with straight as url, connect_through(url, "127.0.0.1", echo) as connection:
        connection.sendall(b"x" * 300_000)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"x" * 300_000


def test_an_address_of_ipv6_is_given_on_as_it_is(echo: int) -> None:
    destinations = []

    def dial(host: str, port: int) -> socket.socket:
        destinations.append((host, port))
        return socket.create_connection(("127.0.0.1", echo))

    with tunnel(dial) as url:
        connect_through(url, "2001:db8::1", 9092).close()
    assert destinations == [("2001:db8::1", 9092)]


def test_who_has_not_the_password_gets_nowhere(echo: int) -> None:
    with tunnel(lambda host, port: socket.create_connection((host, port))) as url:
        place = url.rpartition("@")[2]
        with pytest.raises(OSError, match="who are you"):
            connect_through(f"http://hactl:guess@{place}", "127.0.0.1", echo)
        plain = http.client.HTTPConnection(place)
        with closing(plain):
            plain.request("GET", "/")
            assert plain.getresponse().status == 407


def test_why_there_is_no_way_is_said() -> None:
    def dial(host: str, port: int) -> socket.socket:
        raise HostError("kafka1", f"cannot connect from there to {host} port {port}: refused")

    with (
        tunnel(dial) as url,
        pytest.raises(OSError, match="kafka1: cannot connect from there to b port 9: refused"),
    ):
        connect_through(url, "b", 9)


def test_with_its_block_the_proxy_and_its_connections_end(echo: int) -> None:
    with tunnel(lambda host, port: socket.create_connection((host, port))) as url:
        connection = connect_through(url, "127.0.0.1", echo)
    with connection:
        connection.settimeout(5)
        assert connection.recv(1) == b""
    with pytest.raises(OSError, match="refused"):
        connect_through(url, "127.0.0.1", echo)


@pytest.mark.ssh
def test_from_a_host_one_gets_where_only_it_gets(net: Net, known: Path) -> None:
    with net.connect(net.target(known)) as session, tunnel(session.forward) as url:
        with connect_through(url, net.far.address, 22) as connection:
            assert connection.recv(4) == b"SSH-"
        with pytest.raises(
            OSError, match=r"web1: cannot connect from there to 10.77.0.6 port 9: Connect failed"
        ):
            connect_through(url, net.far.address, 9)
    with pytest.raises(HostError, match=r"the connection was lost|not active"):
        session.forward(net.far.address, 22)
