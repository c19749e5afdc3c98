"""Generations on hosts: their limits, the log, and the agent that reads them back."""

from __future__ import annotations

import pytest

from provision.desired.items import DesiredHost, File, Package
from provision.hosts.agent.generations import (
    Generation,
    RecordedChange,
    open_generation_log,
    write_about,
    write_desired,
)
from provision.hosts.agent.observe import observe
from provision.hosts.agent.payload import Op, build_payload
from provision.hosts.agent.transaction import ApplyFailed, prepare
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

KEPT = "var/lib/hactl/generations"


def desired(number: int) -> DesiredHost:
    return DesiredHost("web1", (Package("nginx"), File("/etc/k.conf", f"{number}\n".encode())))


def deploy(host: LocalHost, number: int, *, state: bytes = b"", confirmed: bool = True) -> None:
    """A run whose generation is `number`."""
    about = Generation(
        number,
        "kim@ops",
        f"2026-01-01T00:00:{number:02}Z",
        "d1ge57",
        (RecordedChange("module", "x", "create"),),
    )
    ops = [Op("module", ("x",)), Op("generation", ("1", "2"))]
    payload = build_payload(ops, [write_about(about), state or write_desired(desired(number), ())])
    with prepare(host, payload, "kim@ops", "d1ge57", 60, number, "+1") as transaction:
        transaction.apply()
        if confirmed:
            transaction.confirm()


def test_a_confirmed_run_is_kept_and_can_be_read_back(host: LocalHost) -> None:
    deploy(host, 1)
    deploy(host, 2)
    with open_generation_log(host) as kept:
        assert [generation.number for generation in kept.generations] == [1, 2]
        assert kept.generations[1].when == "2026-01-01T00:00:02Z"
        assert kept.desired(1).desired == desired(1)
        assert kept.desired(2).desired == desired(2)
        assert kept.attempt == 2
    assert observe(host, lambda _facts: DesiredHost("web1"))[1].generation == 2


def test_only_root_can_read_it(host: LocalHost) -> None:
    deploy(host, 1)
    folder = host.root / KEPT
    modes = {path.stat().st_mode & 0o777 for path in (folder, folder / "1")}
    assert modes == {0o700}
    assert {path.stat().st_mode & 0o777 for path in (folder / "1").iterdir()} == {0o600}
    assert (host.root / "var/lib/hactl").stat().st_mode & 0o777 == 0o755


def test_a_run_that_is_not_confirmed_leaves_none(host: LocalHost) -> None:
    deploy(host, 1)
    deploy(host, 2, confirmed=False)
    host.channels[-1].exit_status(10)
    with open_generation_log(host) as kept:
        assert [generation.number for generation in kept.generations] == [1]
        assert kept.attempt == 2, "the log knows of it"


def test_at_most_ten_are_kept_the_newest(host: LocalHost) -> None:
    for number in range(1, 13):
        deploy(host, number)
    assert sorted(int(path.name) for path in (host.root / KEPT).iterdir()) == list(range(3, 13))


def test_large_ones_go_earlier_but_never_the_present_one_and_the_one_before(
    host: LocalHost,
) -> None:
    for number in range(1, 5):
        deploy(host, number, state=bytes(9 << 20))
    assert sorted(path.name for path in (host.root / KEPT).iterdir()) == ["3", "4"]


def test_a_number_that_somebody_else_took_meanwhile_is_refused(host: LocalHost) -> None:
    deploy(host, 1)
    with pytest.raises(ApplyFailed, match="generation 1 was confirmed meanwhile; plan again"):
        deploy(host, 1)


def test_a_host_without_any_has_none(host: LocalHost) -> None:
    before = host.snapshot()
    with open_generation_log(host) as kept:
        assert (kept.generations, kept.attempt) == ((), 0)
    assert observe(host, lambda _facts: DesiredHost("web1"))[1].generation == 0
    assert host.snapshot() == before


def test_the_log_tells_each_attempt_in_a_line_and_quotes_no_parser(host: LocalHost) -> None:
    """A parser may quote the line it refuses, and that may hold a secret."""
    deploy(host, 1)
    host.command("parser", "#!/bin/sh\necho 'bad line: auth_pass s3cret' >&2\nexit 1\n")
    stage = Op("stage", ("1", "/etc/k.conf", "0600", "root", "root", "parser %s"))
    with pytest.raises(ApplyFailed, match="auth_pass s3cret"):
        prepare(host, build_payload([stage], [b"x"]), "lee@ops", "d2", 60, 2, "~1")
    log = [line.split(" ", 1)[1] for line in host.read("var/log/hactl.log").splitlines()]
    assert log == [
        "kim@ops inventory=d1ge57 generation=1 changes=+1 outcome=confirmed",
        "lee@ops inventory=d2 generation=2 changes=~1 outcome=rolled-back"
        ' why="/etc/k.conf was refused by its parser (parser)"',
    ]
    assert (host.root / "var/log/hactl.log").stat().st_mode & 0o777 == 0o600


def test_the_log_is_bounded(host: LocalHost) -> None:
    host.write("var/log/hactl.log", "old\n" * 70_000)
    deploy(host, 1)
    assert host.read("var/log/hactl.log").count("\n") == 1
    assert host.read("var/log/hactl.log.1").count("\n") == 70_000
