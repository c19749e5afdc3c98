"""What clients saw of a change, from records made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from provision.commands import rehearse_change
from provision.commands.rehearse_change import (
    ChangeRun,
    ServiceFigures,
    compare,
    judge,
    lines,
    settled,
    split_brains,
    under_load,
    unmanaged,
)
from provision.core.errors import LabError
from provision.hosts.ssh import SshSession
from provision.prober.record import Advert, Connection, ProbeService, Recording, Request
from provision.prober.session import Prober
from tests.inventory.building import GROUPS, HOSTS, frontend, topology


def service(address: str, port: int = 80, frontend: str = "web") -> ProbeService:
    return ProbeService(frontend, f"{frontend} {address}:{port}", address, port, "/")


WEB, API = service("10.0.0.10"), service("10.0.0.10", 443)


def load(
    index: int = 0, start: float = 0.0, end: float = 10.0, took: float = 0.004
) -> Iterator[Request]:
    """A good request every 100 ms."""
    for number in range(int((end - start) * 10)):
        yield Request(index, start + number / 10, took / 2, took)


def test_services_are_the_same_by_address_and_port_alone() -> None:
    renamed = service("10.0.0.10", frontend="shop")
    moved = service("10.0.0.20", 443)
    both, outline = compare([WEB, API], [renamed, moved])
    assert both == (WEB,)
    assert outline == ChangeRun(gone=(API.name,), new=(moved.name,))


def test_a_host_that_the_change_forgets_is_named() -> None:
    without = {name: own for name, own in HOSTS.items() if name != "web2"}
    after = topology([frontend()], hosts=without, groups={**GROUPS, "web": ("web1",)})
    assert [message.split(" is ")[0] for message in unmanaged(topology([frontend()]), after)] == [
        "web2"
    ]
    kept = {**GROUPS, "web": ("web1",), "decommissioned": ("web2",)}
    assert unmanaged(topology([frontend()]), topology([frontend()], groups=kept)) == ()


def test_figures_are_of_each_service_and_of_the_time_since_the_deploy_began() -> None:
    refused = [Request(1, 5.05, None, 0.001, "refused"), Request(1, 1.05, None, 0.001, "refused")]
    requests = sorted([*load(0), *load(1, took=0.02), *refused], key=lambda request: request.start)
    connections = (
        Connection(0, 0.5),
        Connection(0, 0.5, lost=7.0, error="reset"),
        Connection(0, 0.5, lost=1.0, error="reset"),
        Connection(1, 0.5),
    )
    seen = judge(Recording((WEB, API), tuple(requests), connections), began=2.0)
    assert seen[0] == ServiceFigures(WEB.name, 80, 0, cast(float, pytest.approx(4.0)), 0.0, 2, 1)
    assert (seen[1].requests, seen[1].failed_requests, seen[1].survived) == (81, 1, 1)
    assert seen[1].outage_ms == pytest.approx(50)
    assert not ChangeRun(seen).ok
    assert ChangeRun(seen[:1]).ok


def test_a_slow_request_is_an_outage_but_no_failure() -> None:
    requests = (*load(0, end=5), Request(0, 5.0, 1.0, 1.1), *load(0, start=5.1))
    seen = judge(Recording((WEB,), requests), began=2.0)
    assert seen[0].failed_requests == 0
    assert seen[0].slowest_ms == pytest.approx(1100)
    assert seen[0].outage_ms == pytest.approx(100)


def test_settled_is_three_seconds_without_a_bad_request() -> None:
    good = list(load())
    assert settled(good, 0.15, since=5.0, now=9.0)
    assert not settled(good, 0.15, since=7.0, now=9.0)
    assert not settled([], 0.15, since=5.0, now=9.0)
    late = [*good, Request(0, 7.55, 0.3, 0.4)]
    assert not settled(sorted(late, key=lambda request: request.start), 0.15, since=5.0, now=9.0)


def test_without_a_service_in_both_the_change_is_deployed_all_the_same() -> None:
    outline = ChangeRun(gone=(WEB.name,), new=(API.name,), messages=("kept",))
    session = cast(SshSession, None)  # no request is sent
    seen = under_load(session, (), outline, lambda: "2 to update.", topology([frontend()]))
    assert seen.ok
    assert seen.plan == "2 to update."
    assert len(seen.messages) == 2


class Served:
    """A prober that hands out a recording; its clock is the controller's."""

    messages = ()
    established = 200

    def __init__(self, requests: tuple[Request, ...]) -> None:
        self._requests = requests

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def to_client(self, _moment: float) -> float:
        return 10.0

    def recording(self) -> Recording:
        return Recording((WEB,), self._requests)


def test_a_front_end_that_does_not_serve_is_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    prober = Served((Request(0, 1.0, None, 0.001, "refused"),))
    monkeypatch.setattr(Prober, "start", lambda *_args, **_words: prober)
    monkeypatch.setattr(rehearse_change, "BASELINE_SECONDS", 0.1)

    def deploy() -> str:
        raise AssertionError("deployed although nothing was served")

    with pytest.raises(LabError, match="1 of 1 requests failed before the change began"):
        under_load(None, (WEB,), ChangeRun(), deploy, topology([frontend()]))  # type: ignore[arg-type]


def test_two_directors_that_advertise_at_once_are_named() -> None:
    rivals = ("192.168.227.101", "192.168.227.102")
    one = [Advert(number / 5, rivals[0], 10, 100, 3) for number in range(20)]
    two = [Advert(1.1 + number / 5, rivals[1], 10, 99, 3) for number in range(10)]
    site = topology([frontend()])
    assert split_brains(one, site) == ()
    assert split_brains(one + two, site) == (
        "split brain: lvs1 and lvs2 both advertised VRID 10 for 1.9 s",
    )


def test_the_table_fits_into_80_columns() -> None:
    longest = ServiceFigures(
        "production-web [fd00:227::10]:8443", 123456, 1234, 2998.7, 14200.0, 200, 198
    )
    seen = ChangeRun(
        (longest, replace(longest, slowest_ms=None)), ("a",), ("b",), "", ("word " * 40,)
    )
    shown = [text for text, _ in lines(seen)]
    assert max(map(len, shown)) <= 80
    assert "198/200" in shown[1]
    assert "gone: a" in shown


def test_json_holds_what_clients_saw() -> None:
    document: dict[str, Any] = ChangeRun(
        (ServiceFigures("web", 3, 0, 1.26, 0.0, 2, 2),), plan="1 to update."
    ).json()
    assert document["ok"] is True
    assert document["services"] == [
        {
            "name": "web",
            "requests": 3,
            "failed_requests": 0,
            "slowest_ms": 1.3,
            "outage_ms": 0.0,
            "established": 2,
            "survived": 2,
        }
    ]
