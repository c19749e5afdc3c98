"""A transaction corrects the table of virtual services, and a rollback restores it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator

import pytest

from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import ApplyFailed, Transaction, prepare
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

WEB = "-t 192.168.227.10:80"
EDIT = Op("table", ("-e", WEB, "-r 10.0.0.1:80 -g -w 1", "-r 10.0.0.1:80 -g -w 7"))

#: Records its arguments. The table has the service and a server once process `checker` has died.
IPVSADM = rf"""#!/bin/sh
[ "$1" = -Sn ] || {{ echo "$*" >>"$HACTL_ROOT/edits"; [ ! -e "$HACTL_ROOT/refuses" ]; exit; }}
if [ -e "$HACTL_ROOT/checker" ] && kill -0 "$(cat "$HACTL_ROOT/checker")" 2>/dev/null; then exit; fi
[ -e "$HACTL_ROOT/empty" ] || printf '%s\n' "-A {WEB} -s rr" "-a {WEB} -r 10.0.0.1:80 -g -w 1"
"""
MORE = f"#!/bin/sh\nprintf '%s\\n' '-A {WEB} -s rr' '-a {WEB} -r 10.0.0.2:80 -g -w 1'\n"


@pytest.fixture
def director(host: LocalHost) -> LocalHost:
    host.command("ipvsadm", IPVSADM)
    host.unit("keepalived.service")
    return host


def begun(host: LocalHost, *ops: Op) -> Transaction:
    return prepare(host, build_payload(ops), "ops@desk", "3f2a", 60)


def edits(host: LocalHost) -> list[str]:
    return host.read("edits").splitlines() if host.exists("edits") else []


def test_a_weight_is_set_and_set_back_where_the_run_is_undone(director: LocalHost) -> None:
    transaction = begun(director, EDIT)
    transaction.apply()
    assert edits(director) == [f"-e {WEB} -r 10.0.0.1:80 -g -w 1"]
    transaction.roll_back()
    assert edits(director)[1:] == [f"-e {WEB} -r 10.0.0.1:80 -g -w 7"]


def test_a_weight_that_is_confirmed_stays(director: LocalHost) -> None:
    transaction = begun(director, EDIT)
    transaction.apply()
    transaction.confirm()
    assert len(edits(director)) == 1


ADD = Op("table", ("-A", WEB, "-s rr", ""))
ADD_SERVER = Op("table", ("-a", WEB, "-r 10.0.0.1:80 -g -w 1 -x 9", "-r 10.0.0.1:80"))


def test_a_service_that_ipvsadm_had_loaded_is_added_and_taken_out_again(
    director: LocalHost,
) -> None:
    director.write("empty", "")
    transaction = begun(director, ADD, ADD_SERVER)
    transaction.apply()
    assert edits(director) == [f"-A {WEB} -s rr", f"-a {WEB} -r 10.0.0.1:80 -g -w 1 -x 9"]
    transaction.roll_back()
    assert edits(director)[2:] == [f"-d {WEB} -r 10.0.0.1:80", f"-D {WEB}"]


def test_what_is_there_by_then_is_left_as_it_is(director: LocalHost) -> None:
    transaction = begun(director, ADD, ADD_SERVER)
    transaction.apply()
    transaction.roll_back()
    assert edits(director) == []


def test_what_ipvsadm_refuses_fails_the_run(director: LocalHost) -> None:
    director.write("refuses", "")
    transaction = begun(director, EDIT)
    with pytest.raises(ApplyFailed, match="ipvsadm -e"):
        transaction.apply()


@pytest.fixture
def checker(director: LocalHost) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process with the pid file of Keepalived's checker. Its parent is process 77."""
    with subprocess.Popen(["sleep", "60"]) as process:
        director.write("run/checkers.pid", f"{process.pid}\n")
        director.write("checker", f"{process.pid}\n")
        director.write(f"proc/{process.pid}/status", "Name:\tkeepalived\nPPid:\t77\n")
        yield process
        process.kill()


def test_keepalived_fills_its_table_again_once_its_checker_is_killed(
    director: LocalHost, checker: subprocess.Popen[bytes]
) -> None:
    transaction = begun(director, Op("checker", (WEB, f"{WEB} -r 10.0.0.1:80")))
    assert checker.poll() is None, "nothing happens before all hosts are ready"
    threading.Thread(target=checker.wait, daemon=True).start()  # or its number stays, as a zombie's
    transaction.apply()
    assert checker.wait(5) == -9
    transaction.confirm()


def test_where_the_service_is_there_by_then_nothing_is_killed(
    director: LocalHost, checker: subprocess.Popen[bytes]
) -> None:
    (director.root / "checker").unlink()
    transaction = begun(director, Op("checker", (WEB,)))
    transaction.apply()
    transaction.confirm()
    assert checker.poll() is None


def test_where_one_server_is_missing_it_begins_anew(
    director: LocalHost, checker: subprocess.Popen[bytes]
) -> None:
    (director.root / "checker").unlink()
    transaction = begun(director, Op("checker", (WEB, f"{WEB} -r 10.0.0.2:80")))

    def fill_the_table() -> None:
        checker.wait()
        director.command("ipvsadm", MORE)

    threading.Thread(target=checker.wait, daemon=True).start()
    threading.Thread(target=fill_the_table).start()
    transaction.apply()
    assert checker.wait(5) == -9
    transaction.confirm()


def test_a_process_that_is_not_keepalived_s_own_is_never_killed(
    director: LocalHost, checker: subprocess.Popen[bytes]
) -> None:
    """A number left in the file by one that died may be anybody's by now."""
    director.write(f"proc/{checker.pid}/status", "Name:\tsshd\nPPid:\t1\n")
    transaction = begun(director, Op("checker", (WEB,)))
    with pytest.raises(ApplyFailed, match="cannot find the process of the checks"):
        transaction.apply()
    assert checker.poll() is None
