"""What a waiting transaction answers, and that a hand-over never outlives it, whatever ends it."""

from __future__ import annotations

import subprocess

import pytest

from provision.hosts.agent import program
from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import ApplyFailed, Transaction, prepare, recover
from tests.hosts.agent.local import LocalHost
from tests.hosts.agent.scenario import FILES, everything, leftovers, sha
from tests.hosts.agent.test_outliving import boot, cut_power
from tests.waiting import wait_until

pytestmark = pytest.mark.agent

WEB, API = "var/lib/hactl/handover/web", "var/lib/hactl/handover/api"
HANDOVERS = "handover /var/lib/hactl/handover/web\nhandover /var/lib/hactl/handover/api\n"
ROUTER = f"wait 0.8\nrejoin 5\n{HANDOVERS}192.168.227.10\n"


def director(host: LocalHost) -> list[Op]:
    """A director, and what is to be done to it."""
    host.write("etc/hactl/director", ROUTER)
    host.write(WEB, "0\n")
    host.write(API, "17\n")
    return everything(host)


def ready(host: LocalHost, ops: list[Op], deadline: int = 60) -> Transaction:
    return prepare(host, build_payload(ops, FILES), "kim@ops", "digest", deadline)


def numbers(host: LocalHost) -> tuple[str, str]:
    return host.read(WEB).strip(), host.read(API).strip()


def test_it_tells_what_the_host_holds_before_and_after_the_changes(host: LocalHost) -> None:
    host.write("proc/net/ip_vs", "")
    host.command("ipvsadm", "#!/bin/sh\n[ \"$*\" = -Sn ] && echo '-A -t 192.168.227.10:80 -s rr'\n")
    transaction = ready(host, director(host))
    before = transaction.look()
    assert before.ipvs == ("-A -t 192.168.227.10:80 -s rr",)
    assert any("192.168.227.103/24" in line for line in before.addresses)
    assert not any("192.168.227.10/32" in line for line in before.addresses)
    transaction.apply()
    assert any("192.168.227.10/32" in line for line in transaction.look().addresses)
    transaction.confirm()
    assert leftovers(host) == []


def test_without_a_table_there_are_no_lines_of_it(host: LocalHost) -> None:
    transaction = ready(host, director(host))
    assert transaction.look().ipvs == ()
    transaction.roll_back()


def test_a_hand_over_is_taken_back_on_command(host: LocalHost) -> None:
    transaction = ready(host, director(host))
    assert transaction.hand_over() == 2
    assert numbers(host) == ("-253", "-253")
    transaction.apply()
    assert numbers(host) == ("-253", "-253"), (
        "the changes are made while another holds the addresses"
    )
    transaction.take_back()
    assert numbers(host) == ("0", "17")
    transaction.confirm()
    assert numbers(host) == ("0", "17")


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("ending", ["roll_back", "close", "KILL", "TERM"])
def test_however_it_ends_the_numbers_are_as_they_were(
    host: LocalHost, ending: str, applied: bool
) -> None:
    ops = director(host)
    before = host.snapshot()
    transaction = ready(host, ops)
    transaction.hand_over()
    transaction.hand_over()  # a second time the number found is not the first one
    if applied:
        transaction.apply()
    if ending == "roll_back":
        transaction.roll_back()
    elif ending == "close":
        host.channels[-1].close()
    else:
        subprocess.run(["/bin/kill", f"-{ending}", str(host.channels[-1].process.pid)], check=True)
    wait_until(lambda: not host.exists("run/hactl/lock"))
    assert numbers(host) == ("0", "17")
    wait_until(lambda: host.snapshot() == before)


def test_a_confirmation_takes_it_back_as_well(host: LocalHost) -> None:
    transaction = ready(host, director(host))
    transaction.hand_over()
    transaction.apply()
    transaction.confirm()
    assert numbers(host) == ("0", "17")


def test_a_power_cut_in_a_hand_over_is_undone_by_the_next_boot(host: LocalHost) -> None:
    transaction = ready(host, director(host))
    transaction.hand_over()
    transaction.apply()
    cut_power(host)
    boot(host)
    assert numbers(host) == ("0", "17")
    assert leftovers(host) == []


def test_a_power_cut_where_there_is_no_systemd_is_undone_by_the_next_deploy(
    host: LocalHost,
) -> None:
    transaction = ready(host, director(host))
    transaction.hand_over()
    cut_power(host)
    done = recover(host)
    assert done is not None and done.outcome == "undone"
    assert numbers(host) == ("0", "17")


def test_the_deadline_holds_however_much_is_asked(host: LocalHost) -> None:
    transaction = ready(host, director(host), deadline=2)
    transaction.hand_over()
    transaction.apply()
    with pytest.raises(ApplyFailed) as failure:
        while True:
            transaction.look()
    assert failure.value.outcome == "rolled_back"
    assert numbers(host) == ("0", "17")


def test_where_no_keepalived_of_ours_runs_there_is_nothing_to_hand_over(host: LocalHost) -> None:
    with prepare(
        host, build_payload(everything(host), FILES), "kim@ops", "digest", 60
    ) as transaction:
        assert transaction.hand_over() == 0


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/var/lib/hactl/handover/../../../../etc/passwd", "../etc/passwd"]
)
def test_nothing_but_a_hand_over_file_is_written(host: LocalHost, path: str) -> None:
    host.write("etc/passwd", "root\n")
    transaction = ready(host, director(host))
    host.write("etc/hactl/director", f"handover {path}\n")
    assert transaction.hand_over() == 0
    assert host.read("etc/passwd") == "root\n"
    transaction.roll_back()


def test_several_hosts_meet_before_what_must_happen_at_once(host: LocalHost) -> None:
    ops = director(host)
    at = next(index for index, op in enumerate(ops) if op.args[-1] == "reload")
    transaction = ready(host, [*ops[:at], Op("await"), *ops[at:]])
    transaction.reach()
    assert sha(host.root.joinpath("etc/k.conf").read_bytes()) == sha(FILES[0])
    assert "reload k.service" not in host.calls()
    transaction.apply()
    assert "reload k.service" in host.calls()
    transaction.confirm()


def test_nobody_who_waits_at_the_meeting_point_is_left_there(host: LocalHost) -> None:
    ops = director(host)
    before = host.snapshot()
    transaction = ready(host, [*ops[:-2], Op("await"), *ops[-2:]])
    transaction.reach()
    host.channels[-1].close()
    wait_until(lambda: not host.exists("run/hactl/lock"))
    assert numbers(host) == ("0", "17")
    wait_until(lambda: host.snapshot() == before)


def test_the_agent_says_what_it_does_not_know(host: LocalHost) -> None:
    channel = host.run_agent(program("apply"))
    payload = build_payload(everything(host), FILES).archive
    channel.send(f"kim\x1fd\x1f60\n{len(payload)}\n".encode() + payload + b"nonsense\n")
    lines = []
    while line := channel.read_line():
        lines.append(line)
    assert any(b"not told to go" in line for line in lines), lines
