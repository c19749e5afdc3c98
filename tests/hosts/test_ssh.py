"""Logging in, through a real sshd: keys, sudo, proxies, and what is said when it does not work."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.core.errors import HostError, Unreachable
from provision.desired.items import Address, DesiredHost, File, Sysctl
from provision.hosts.agent.observe import Observed, observe
from provision.hosts.ssh import SshSession
from tests.hosts.conftest import Net
from tests.hosts.netns import keygen

pytestmark = pytest.mark.ssh

WANTED = DesiredHost(
    "web1",
    (File("/etc/motd", b""), Sysctl("net.ipv4.ip_forward", "1"), Address("10.77.0.2/30", "to-c")),
)


def look(session: SshSession) -> Observed:
    return observe(session, lambda _facts: WANTED)[1]


def test_a_look_costs_one_exec(net: Net, session: SshSession) -> None:
    before = net.near.sessions()
    observed = look(session)
    assert observed.facts.interface_of("10.77.0.2") == "to-c"
    assert observed.items["address", "10.77.0.2/30"].attributes == {"device": "to-c"}
    assert observed.items["sysctl", "net.ipv4.ip_forward"].attributes == {"value": "0"}
    assert (session.execs, net.near.sessions() - before) == (1, 1)


def test_connecting_and_looking_is_quick(
    net: Net, known: Path, record_property: Callable[[str, object], None]
) -> None:
    """On two shared cores: about 35 ms to connect, and 60 ms or more to look, by packages.

    Without TCP_NODELAY each exec would take 44 ms more.
    """
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        with net.connect(net.target(known)) as session:
            connected = time.perf_counter()
            look(session)
            times.append((connected - begin, time.perf_counter() - connected))
    connecting, looking = (sorted(column)[2] for column in zip(*times, strict=True))
    print(f"connect {connecting * 1000:.0f} ms, look {looking * 1000:.0f} ms")
    record_property("connect_ms", connecting * 1000)
    record_property("look_ms", looking * 1000)
    assert connecting + looking < 1.0


class TestHostKeys:
    def test_an_unknown_key_is_refused_with_its_fingerprint(self, net: Net, tmp_path: Path) -> None:
        with pytest.raises(
            Unreachable, match=r"not known \(ssh-ed25519 SHA256:.*\n.*ssh-keyscan -p 22 10.77.0.2"
        ):
            net.connect(net.target(tmp_path / "none"))

    def test_a_changed_key_is_refused_with_both_fingerprints(
        self, net: Net, tmp_path: Path
    ) -> None:
        known = net.near.known_hosts(tmp_path / "known", keygen(tmp_path / "other"))
        for strict in (True, False):
            with pytest.raises(
                Unreachable, match=r"has changed.*SHA256:.*SHA256:.*\n.*ssh-keygen -R"
            ) as failure:
                net.connect(net.target(known, strict=strict))
            for key in (net.near.host_key, tmp_path / "other"):
                shown = subprocess.run(
                    ["ssh-keygen", "-lf", str(key)], capture_output=True, text=True, check=True
                )
                assert shown.stdout.split()[1] in str(failure.value)

    def test_accept_new_records_it(self, net: Net, tmp_path: Path) -> None:
        known = tmp_path / "new" / "known"
        net.connect(net.target(known, strict=False)).close()
        assert known.read_text().startswith("10.77.0.2 ssh-ed25519 ")
        net.connect(net.target(known)).close()


class TestRefusals:
    def test_a_closed_port(self, net: Net, known: Path) -> None:
        with pytest.raises(
            Unreachable, match=r"cannot connect to 10.77.0.2 port 9: Connection refused"
        ):
            net.connect(net.target(known, port=9))

    def test_a_host_that_does_not_answer(self, net: Net, known: Path) -> None:
        target = dataclasses.replace(net.target(known), address="10.77.0.99", timeout=0.5)
        with pytest.raises(Unreachable, match=r"cannot connect to 10.77.0.99"):
            net.connect(target)

    def test_a_key_that_is_not_authorised(self, net: Net, known: Path, tmp_path: Path) -> None:
        other = keygen(tmp_path / "other")
        with pytest.raises(
            Unreachable, match=r"login root@10.77.0.2 was refused.*\n.*authorized_keys"
        ):
            net.connect(net.target(known, key_files=(str(other),)))

    def test_a_key_with_a_passphrase(self, net: Net, known: Path, tmp_path: Path) -> None:
        subprocess.run(["cp", str(net.key), str(tmp_path / "key")], check=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(tmp_path / "key")], check=True
        )
        with pytest.raises(Unreachable, match=r"needs its passphrase\n.*ssh-add"):
            net.connect(net.target(known, key_files=(str(tmp_path / "key"),)))

    def test_something_that_is_no_ssh_server(self, net: Net, known: Path) -> None:
        with pytest.raises(Unreachable, match="no SSH server answers"):
            net.connect(net.target(known, proxy_command="cat >/dev/null; echo hello", timeout=1))


class TestProxies:
    def test_a_proxy_command(self, net: Net, known: Path) -> None:
        command = f"nsenter --net={net.client.path} nc 10.77.0.2 22"
        target = dataclasses.replace(net.target(known), proxy_command=command)
        from provision.hosts.ssh import connect

        with connect(target) as session:  # from our own namespace, which has no route there
            assert look(session).facts.hostname

    def test_a_proxy_command_that_fails_is_quoted(self, net: Net, known: Path) -> None:
        with pytest.raises(Unreachable, match="no such door"):
            net.connect(net.target(known, proxy_command="echo no such door >&2; exit 1"))

    def test_a_dropped_beginning_is_tried_again(
        self, net: Net, known: Path, tmp_path: Path
    ) -> None:
        """As sshd's MaxStartups does: the first connection ends before its banner."""
        flag = tmp_path / "flag"
        command = (
            f"[ -e {flag} ] || {{ touch {flag}; exit 1; }}; "
            f"exec nsenter --net={net.client.path} nc 10.77.0.2 22"
        )
        net.connect(net.target(known, proxy_command=f"sh -c '{command}'")).close()
        assert flag.exists()

    def test_jump_hosts(self, net: Net, known: Path, tmp_path: Path) -> None:
        both = tmp_path / "both"
        both.write_text(known.read_text() + net.far.known_hosts(tmp_path / "far").read_text())
        target = net.target(both, net.far)
        with pytest.raises(Unreachable):
            net.connect(dataclasses.replace(target, timeout=0.5))
        with net.connect(dataclasses.replace(target, jumps=(net.target(both),))) as session:
            assert look(session).facts.interface_of("10.77.0.6") == "to-n"

    def test_a_jump_host_that_cannot_go_on(self, net: Net, known: Path) -> None:
        target = dataclasses.replace(net.target(known, net.far), port=9, jumps=(net.target(known),))
        with pytest.raises(
            Unreachable, match=r"the jump host 10.77.0.2 cannot connect to 10.77.0.6 port 9"
        ):
            net.connect(target)


class TestSudo:
    def login(
        self, net: Net, known: Path, user: str, password: str = "", become: bool = True
    ) -> SshSession:
        return net.connect(net.target(known, user=user, become=become, become_password=password))

    def test_without_a_password(self, net: Net, known: Path) -> None:
        with self.login(net, known, "free") as session:
            assert look(session).items["file", "/etc/motd"].attributes is not None
            channel = session.run_agent("id -u; cat /etc/shadow >/dev/null && echo readable")
            assert (channel.read_line(), channel.read_line()) == (b"0\n", b"readable\n")

    def test_with_the_password(self, net: Net, known: Path) -> None:
        with self.login(net, known, "asked", "right horse") as session:
            assert look(session).facts.hostname
            assert session.execs == 1

    def test_a_password_nobody_asked_for_is_never_run(self, net: Net, known: Path) -> None:
        with self.login(net, known, "free", "touch /tmp/pwned") as session:
            assert look(session).facts.hostname
        assert not net.near.path("/tmp/pwned").exists()

    @pytest.mark.parametrize(
        ("user", "password", "words"),
        [
            ("asked", "", "a password is required\n  set ansible_become_password"),
            ("asked", "wrong", "is not the password"),
            ("stranger", "right horse", "allow the user in sudoers"),
        ],
    )
    def test_a_refusal_is_explained(
        self, net: Net, known: Path, user: str, password: str, words: str
    ) -> None:
        with self.login(net, known, user, password) as session, pytest.raises(HostError) as failure:
            look(session)
        assert "sudo refused " + user in str(failure.value) and words in str(failure.value)
        assert "right horse" not in str(failure.value)

    def test_neither_root_nor_become(self, net: Net, known: Path) -> None:
        with (
            self.login(net, known, "free", become=False) as session,
            pytest.raises(HostError, match="ansible_become"),
        ):
            look(session)


def test_a_flood_on_standard_error_blocks_nothing(session: SshSession) -> None:
    """The two streams share a 2 MiB window: unread, the first would stop the second."""
    channel = session.run_agent("head -c 4000000 /dev/zero >&2; echo done")
    assert channel.read_line() == b"done\n"


def test_words_of_the_login_shell_are_skipped(net: Net, known: Path) -> None:
    net.near.path("/home/free/.profile").write_text("")
    net.near.path("/root/.bashrc").write_text("echo Welcome; echo fact >&2\n")
    try:
        with net.connect(net.target(known)) as session:
            assert look(session).facts.hostname
    finally:
        net.near.path("/root/.bashrc").unlink()


def test_a_connection_lost_before_the_agent_starts(net: Net, session: SshSession) -> None:
    look(session)
    net.near.cut()
    with pytest.raises(HostError, match=r"the connection was lost.*nothing was changed"):
        look(session)
