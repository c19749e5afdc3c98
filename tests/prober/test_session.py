"""The prober against real faults in network namespaces: what it measures is what was done."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.core.errors import HostError
from provision.prober import measure, program
from provision.prober.record import Recording
from provision.prober.session import Prober, local_session
from tests.prober.lan import Lan, service
from tests.waiting import wait_until


def record(
    lan: Lan, fault: Callable[[], object], after: float, port: int = 80, path: str | None = "/"
) -> Recording:
    """0.5 s of quiet, a fault, `after` more seconds."""
    with Prober.start(lan.session(), [service(lan.a, port, path)], connections=40) as prober:
        wait_until(lambda: prober.established == 40, 3, what="open connections")
        time.sleep(0.5)
        fault()
        time.sleep(after)
        return prober.stop()


LATE = 0.5
"""Seconds of a late answer here: other tests may load the processors; a lost SYN takes 1 s."""


def exact(recording: Recording) -> float:
    """Return the tolerance in ms: two cadences, jitter, and the delay that the prober reports."""
    return 12 + recording.late * 1000


def first_bad(recording: Recording) -> float:
    """Return the start of the first request that failed or was late."""
    return next(
        request.start
        for request in recording.requests
        if request.error or (request.done or 9) > LATE
    )


def test_while_nothing_is_wrong_it_measures_nothing(lan: Lan) -> None:
    recording = record(lan, lambda: None, 1.0)
    floor = measure.noise(recording.requests)
    assert floor.requests > 300 and floor.failed == 0 and floor.median_ms < 100
    assert measure.outage(recording.requests, LATE) == 0
    assert measure.survivors(recording.connections, recording.requests[300].start) == (40, 40)
    starts = [request.start for request in recording.requests]
    assert {round(late - early, 6) for early, late in itertools.pairwise(starts)} == {0.005}
    assert abs(recording.wall_jump) < 0.01


def test_packets_dropped_for_300_ms_are_an_outage_of_300_ms(lan: Lan) -> None:
    with lan.a.fault("drop") as host:
        recording = record(lan, lambda: host.hit(80, 300), 1.8)
    assert measure.outage(recording.requests, LATE) == pytest.approx(300, abs=exact(recording))
    assert measure.failed(recording.requests) == 0, (
        "TCP sends again: the answers are late, not missing"
    )
    # The kernel repeats a SYN after a second. The rest is the machine's delay.
    slowest = measure.slowest(recording.requests)
    assert slowest is not None and 990 < slowest < 1500 + exact(recording)
    assert measure.survivors(recording.connections, first_bad(recording)) == (40, 40)


def test_a_dropped_syn_that_is_given_up_is_a_timeout(lan: Lan) -> None:
    with (
        lan.a.fault("drop") as host,
        Prober.start(lan.session(), [service(lan.a)], connections=5) as prober,
    ):
        wait_until(lambda: prober.established == 5, 3, what="open connections")
        host.hit(80, 8000)
        time.sleep(0.3)
        recording = prober.stop()
    lost = [request for request in recording.requests if request.error]
    assert {request.error for request in lost} == {"timeout"} and all(
        request.done is None for request in lost
    )
    assert len(lost) > 40
    assert [connection.error for connection in recording.connections] == ["timeout"] * 5, (
        "none answered the last call"
    )


def test_a_message_that_nobody_is_there_is_unreachable(lan: Lan) -> None:
    with lan.a.fault("tcp flags syn reject with icmp type host-unreachable") as host:
        recording = record(lan, lambda: host.hit(80, 200), 0.6)
    errors = [request.error for request in recording.requests if request.error]
    assert set(errors) == {"unreachable"}, (
        "the kernel sends few such messages a second; the others are late"
    )
    assert measure.outage(recording.requests, LATE) == pytest.approx(200, abs=exact(recording))


def test_a_refusal_is_counted(lan: Lan) -> None:
    with lan.a.fault("tcp flags syn reject with tcp reset") as host:
        recording = record(lan, lambda: host.hit(80, 200), 0.6)
    lost = [request for request in recording.requests if request.error]
    assert {request.error for request in lost} == {"refused"}
    assert len(lost) == pytest.approx(40, abs=exact(recording) / 5)
    assert measure.outage(recording.requests, LATE) == pytest.approx(200, abs=exact(recording))
    assert measure.survivors(recording.connections, first_bad(recording)) == (40, 40)


def test_connections_that_are_reset_are_lost_and_opened_again(lan: Lan) -> None:
    with lan.a.fault("tcp flags & (syn | ack | rst) == ack reject with tcp reset") as host:
        recording = record(lan, lambda: host.hit(80, 1100), 2.6)
    assert measure.survivors(recording.connections, recording.requests[250].start) == (40, 0)
    assert {connection.error for connection in recording.connections if connection.lost} == {
        "reset"
    }
    assert sum(connection.lost is None for connection in recording.connections) == 40


def test_idle_connections_of_a_plain_service_are_watched_too(lan: Lan) -> None:
    with lan.a.fault("tcp flags & (syn | ack | rst) == ack reject with tcp reset") as host:
        recording = record(lan, lambda: host.hit(80, 2200), 2.5, path=None)
        good = [request for request in recording.requests if not request.error]
        assert {request.done == request.connect for request in good} == {True} and len(good) > 100
    assert {connection.error for connection in recording.connections if connection.lost} == {
        "reset"
    }
    assert measure.survivors(recording.connections, recording.requests[250].start) == (40, 0)


def test_a_server_that_stalls_hides_nothing(lan: Lan) -> None:
    """Requests continue without answers. The early ones wait until the server continues."""
    with lan.b.web(81) as server:

        def stall() -> None:
            server.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            server.send_signal(signal.SIGCONT)

        session = lan.session()
        with Prober.start(session, [service(lan.b, 81)], connections=5) as prober:
            time.sleep(0.5)
            stall()
            time.sleep(0.6)
            recording = prober.stop()
    waited = [request for request in recording.requests if (request.done or 0) > 0.1]
    assert len(waited) >= 55, (
        "one every 5 ms, for those first 300 ms of which at least 100 were left to wait"
    )
    slowest = measure.slowest(recording.requests) or 0
    assert slowest > 395, "and what the server took to catch up"
    assert 245 < measure.outage(recording.requests, 0.15) < slowest


@pytest.mark.parametrize(
    ("path", "kept", "words"),
    [
        ("/moved", "/moved", ""),
        ("/big", "/big", ""),
        ("/missing", None, "GET /missing got no page (HTTP/1.1 404 Not Found)"),
        ("/broken", None, "GET /broken got no page (HTTP/1.1 503 Service Unavailable)"),
    ],
)
def test_a_page_is_asked_for_where_there_is_one(
    lan: Lan, path: str, kept: str | None, words: str
) -> None:
    with Prober.start(lan.session(), [service(lan.a, path=path)], connections=1) as prober:
        wait_until(lambda: prober.established == 1, 5, what="an open connection")
        time.sleep(0.5)
        recording = prober.stop()
    assert prober.services[0].path == kept == recording.services[0].path
    assert words in "\n".join(prober.messages)
    assert measure.failed(recording.requests) == 0 and len(recording.requests) > 10


def test_a_server_that_closes_after_each_answer_loses_no_connection(
    lan: Lan, tmp_path: Path
) -> None:
    server = lan.b.popen(sys.executable, "-m", "http.server", "82", "--directory", str(tmp_path))
    try:
        wait_until(lambda: ":82 " in lan.b.call("ss", "-Hltn"), 5, what="a listening server")
        with Prober.start(lan.session(), [service(lan.b, 82)], connections=10) as prober:
            time.sleep(1.3)
            recording = prober.stop()
    finally:
        server.kill()
        server.wait()
    assert "ends each connection" in prober.messages[0]
    assert not any(connection.lost for connection in recording.connections)


def test_nothing_is_left_on_either_side(lan: Lan) -> None:
    with lan.b.web(83), Prober.start(lan.session(), [service(lan.b, 83)], connections=10) as prober:
        wait_until(lambda: prober.established == 10, 3, what="open connections")
        assert len(prober.stop().requests) > 100
        for host in (lan.client, lan.b):
            assert (
                host.call("ss", "-Htan", "state", "connected", "( sport = :83 or dport = :83 )")
                == ""
            )


def test_a_clock_of_its_own_is_translated(lan: Lan) -> None:
    """The client's monotonic clock is 1000 s ahead, as that of another machine would be."""
    session = lan.session("unshare", "--time", "--monotonic", "1000")
    with Prober.start(session, [service(lan.a)], connections=0) as prober:
        assert prober.offset == pytest.approx(1000, abs=prober.uncertainty + 0.0005)
        assert 0 < prober.uncertainty < 0.01
        time.sleep(0.3)
        now = prober.to_client(time.monotonic())
        assert prober.stop().requests[-1].start == pytest.approx(now, abs=0.1)


def test_what_came_before_a_loss_is_kept(lan: Lan) -> None:
    with Prober.start(lan.session(), [service(lan.a)], connections=5, limit_seconds=0.6) as prober:
        time.sleep(1)
        with pytest.raises(HostError, match="its time limit came"):
            prober.check()
        with pytest.raises(HostError, match="controller: the prober failed"):
            prober.stop()
        assert len(prober.recording().requests) == pytest.approx(120, abs=40)


def test_a_prober_that_says_nothing_any_more_is_gone(
    lan: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provision.prober.session.SILENCE_TIMEOUT", 0.5)
    with Prober.start(lan.session(), [service(lan.a)], connections=0) as prober:
        prober.check()
        process = prober._channel._process  # type: ignore[attr-defined]
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.8)
        try:
            with pytest.raises(HostError, match="nothing was heard from the prober"):
                prober.check()
        finally:
            process.send_signal(signal.SIGCONT)


def test_it_ends_when_nobody_can_tell_it_anything_any_more(lan: Lan) -> None:
    with Prober.start(lan.session(), [service(lan.a)], connections=0) as prober:
        prober._channel.end_input()
        time.sleep(0.5)
        with pytest.raises(HostError, match="the prober ended unexpectedly"):
            prober.check()


def test_a_wall_clock_that_is_set_is_noticed_and_moves_nothing(
    lan: Lan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's clock is set forward by an hour: the test changes the program's clock."""
    old, new = "wall = time.time()", "wall = time.time() + 3600 * (self.load.started > 50)"
    plain = program.message
    monkeypatch.setattr(program, "message", lambda settings: _edited(plain(settings), old, new))
    with Prober.start(lan.session(), [service(lan.a)], connections=0) as prober:
        time.sleep(0.6)
        recording = prober.stop()
    assert recording.wall_jump == pytest.approx(3600, abs=0.1)
    assert measure.outage(recording.requests, LATE) == 0


def _edited(message: bytes, old: str, new: str) -> bytes:
    text = message.split(b"\n", 1)[1]
    assert text.count(old.encode()) == 1
    text = text.replace(old.encode(), new.encode())
    return b"%d\n" % len(text) + text


CONTROLLER = """
import sys, time
from provision.prober.local_session import LocalSession
from provision.prober.record import ProbeService
from provision.prober.session import Prober
space, address = sys.argv[1:]
session = LocalSession(("nsenter", f"--net={space}", "/bin/sh"))
prober = Prober.start(session, [ProbeService("web", "web", address, 80, "/")])
print(prober._channel._process.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_when_its_controller_is_killed(lan: Lan) -> None:
    argv = [sys.executable, "-c", CONTROLLER, lan.client.space.path, lan.a.address]
    controller = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert controller.stdout
    prober = Path("/proc", controller.stdout.readline().strip())
    assert b"python3" in (prober / "cmdline").read_bytes()
    controller.kill()
    controller.wait()
    with contextlib.suppress(ChildProcessError):
        wait_until(
            lambda: not prober.exists() or "State:\tZ" in (prober / "status").read_text(),
            2,
            what="the end of the prober",
        )


def test_no_python_there_is_said_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lan: Lan
) -> None:
    for tool in ("dd", "printf", "sh"):
        (tmp_path / tool).symlink_to(f"/bin/{tool}" if tool != "printf" else "/usr/bin/printf")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HACTL_ROOT", "/nowhere")  # the agents then keep the PATH they were given
    with pytest.raises(HostError, match="there is no python3\n  install it there"):
        Prober.start(local_session(), [service(lan.a)])


def test_no_service_is_no_probe(lan: Lan) -> None:
    with pytest.raises(HostError, match="there is nothing to probe"):
        Prober.start(lan.session(), [])


def test_few_open_files_are_refused_before_anything_is_measured(lan: Lan) -> None:
    limited = lan.session(
        "setpriv", "--bounding-set", "-sys_resource", "prlimit", "--nofile=256:256"
    )
    with pytest.raises(HostError, match="only 256 open files are allowed there, 900 may be needed"):
        Prober.start(limited, [service(lan.a)])


def test_without_raw_sockets_the_load_runs_and_says_what_is_missing(lan: Lan) -> None:
    limited = lan.session("setpriv", "--bounding-set", "-net_raw")
    with Prober.start(limited, [service(lan.a)], connections=0) as prober:
        time.sleep(0.2)
        assert measure.failed(prober.stop().requests) == 0
    assert (
        "adverts and address claims are not seen: the prober may not use raw sockets"
        in prober.messages[0]
    )


def test_it_leaves_no_file(lan: Lan) -> None:
    def open_files(pid: int) -> list[str]:
        return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]

    with Prober.start(lan.session(), [service(lan.a)], connections=0) as prober:
        process = prober._channel._process  # type: ignore[attr-defined]
        files = [
            name
            for name in open_files(process.pid)
            if not name.startswith(("pipe:", "socket:", "anon_inode:"))
        ]
        assert files == ["/dev/null"], "standard error alone"
