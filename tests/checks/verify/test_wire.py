"""The meaning of the network's answers, by example."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from provision.checks.verify.wire import (
    ServerAddress,
    Unavailable,
    WireAnswers,
    own_vrids,
    questions,
    served,
    serves_vip,
    vip_answers,
)
from provision.hosts.live.state import LiveFinding
from provision.prober.record import Advert
from provision.prober.wire import Answer, ByMac, Listen, OnLink, Question, WhoHas
from tests.hosts.live.building import mac, seen
from tests.inventory.building import DUAL, frontend, service, topology

VIP = "192.168.227.10"
LAB = topology([frontend()])
WELL = seen(LAB)
WEB = LAB.frontends[0]
WEB1 = ServerAddress("web1", VIP, 80)
LVS1, LVS2, MAC1, MAC2 = mac(1), mac(2), mac(3), mac(4)
LISTEN = next(question for question in questions(WELL) if isinstance(question, Listen))
BY_MAC = ByMac(VIP, 80, MAC1)


def wire(**changes: Any) -> WireAnswers:
    """The answers to a client on a healthy network, with changes by kind (`who_has`, `by_mac`…)."""
    well: dict[str, tuple[Question, dict[str, Any]]] = {
        "who_has": (WhoHas(VIP), {"macs": (LVS1,)}),
        "on_link": (OnLink(VIP), {"interface": "eth0"}),
        "by_mac": (BY_MAC, {"reply": "syn-ack"}),
        "server": (OnLink("192.168.227.103"), {"interface": "eth0"}),
        "listen": (
            LISTEN,
            {"adverts": tuple(advert("192.168.227.101", at) for at in (0.0, 0.2, 0.4))},
        ),
    }
    answers = {
        question: Answer(question, **{**plain, **changes.get(name, {})})
        for name, (question, plain) in well.items()
    }
    return WireAnswers("client", answers)


def advert(source: str, at: float = 0.0, vrid: int = 10, priority: int = 100) -> Advert:
    return Advert(at, source, vrid, priority, 3)


def texts(findings: Iterable[LiveFinding]) -> list[str]:
    return [str(finding) for finding in findings]


def test_all_is_well() -> None:
    assert texts(vip_answers(WELL, wire(), VIP)) == []
    assert texts(serves_vip(WELL, wire(), WEB1)) == []
    assert texts(own_vrids(WELL, wire(), WEB)) == []


def test_each_question_is_sent_once() -> None:
    sent = questions(WELL)
    assert set(sent) == {
        LISTEN, WhoHas(VIP), OnLink(VIP), BY_MAC, ByMac(VIP, 80, MAC2), OnLink("192.168.227.103"),
        OnLink("192.168.227.104"),
    }  # fmt: skip
    assert len(sent) == len(set(sent))


@pytest.mark.parametrize(("interval", "seconds"), [(0.1, 0.42), (1, 2.4), (30, 5.0)])
def test_it_listens_for_two_adverts(interval: float, seconds: float) -> None:
    site = topology([frontend(vrrp={"virtual_router_id": 10, "advert_int": interval})])
    listen = questions(seen(site))[0]
    assert isinstance(listen, Listen)
    assert listen.seconds == pytest.approx(seconds)


def test_with_nat_a_real_server_does_not_have_the_vip() -> None:
    assert served(topology([frontend(services=[service(forward="nat")])]).frontends) == ()


def test_every_address_of_a_service_is_asked_for() -> None:
    site = topology([frontend(vips=[VIP, "fd00:227::10"])], hosts=DUAL)
    assert {str(address) for address in served(site.frontends)} == {
        f"{VIP}:80",
        "[fd00:227::10]:80",
    }
    assert OnLink("fd00:227::103") in questions(seen(site))


def test_a_real_server_that_answers_arp() -> None:
    findings = list(vip_answers(WELL, wire(who_has={"macs": (LVS1, MAC2)}), VIP))
    assert [(finding.host, finding.what) for finding in findings] == [
        ("web2", f"web2 answers for {VIP}, and does not hold it")
    ]
    assert "arp_ignore" in findings[0].fix


def test_another_machine_that_answers_arp() -> None:
    messages = texts(vip_answers(WELL, wire(who_has={"macs": ("02:00:00:00:00:99",)}), VIP))
    assert len(messages) == 1
    assert f"remove {VIP} from it" in messages[0]


def test_nobody_answers() -> None:
    messages = texts(vip_answers(WELL, wire(who_has={"macs": ()}), VIP))
    assert messages == [
        f"nobody answers for {VIP}; client got no answer to its request; lvs1 has it; "
        "no client can reach it; see the other checks"
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"reply": "silent"}, "every forwarded connection is lost"),
        ({"reply": "rst"}, "refuses connections to 192.168.227.10:80; client got a reset"),
        ({"reply": "silent", "macs": (MAC2,)}, "web2 does"),
    ],
)
def test_a_real_server_that_does_not_answer_for_the_vip(answer: dict[str, Any], words: str) -> None:
    findings = list(serves_vip(WELL, wire(by_mac=answer), WEB1))
    assert [finding.host for finding in findings] == ["web1"]
    assert words in str(findings[0])


def test_split_brain() -> None:
    both = (advert("192.168.227.101"), advert("192.168.227.102", priority=99))
    messages = texts(own_vrids(WELL, wire(listen={"adverts": both}), WEB))
    assert len(messages) == 1
    assert messages[0].startswith(
        "split brain: lvs1 and lvs2 both advertise VRID 10; 1 from 192.168.227.101 (priority 100)"
    )


def test_another_router_with_our_vrid() -> None:
    stranger = (advert("192.168.227.101"), advert("192.168.227.77"))
    messages = texts(own_vrids(WELL, wire(listen={"adverts": stranger}), WEB))
    assert len(messages) == 1
    assert "192.168.227.77, which is no director of web, advertises VRID 10" in messages[0]


def test_other_vrids_are_not_checked() -> None:
    others = (advert("192.168.227.101"), advert("192.168.227.77", vrid=77))
    assert texts(own_vrids(WELL, wire(listen={"adverts": others}), WEB)) == []


def test_both_families_may_have_one_vrid() -> None:
    """They are two virtual routers (RFC 5798 §5.2.3), and their masters may be two hosts."""
    site = topology([frontend(vips=[VIP, "fd00:227::10"])], hosts=DUAL)
    both = (advert("192.168.227.101"), advert("fd00:227::102"))
    listen = questions(seen(site))[0]
    heard = WireAnswers("client", {listen: Answer(listen, adverts=both)})
    assert texts(own_vrids(seen(site), heard, site.frontends[0])) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"on_link": {"interface": ""}}, "through a gateway"),
        ({"who_has": {"problem": "no route to it"}}, "client: no route to it"),
    ],
)
def test_no_check_of_a_vip_that_the_client_cannot_ask_for(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Unavailable, match=words):
        texts(vip_answers(WELL, wire(**changes), VIP))


def test_no_check_of_a_real_server_behind_a_gateway() -> None:
    with pytest.raises(Unavailable, match="gateway"):
        texts(serves_vip(WELL, wire(server={"interface": ""}), WEB1))


def test_no_check_of_vrids_without_adverts() -> None:
    with pytest.raises(
        Unavailable, match="no advert of VRID 10 reaches client: it is on another network"
    ):
        texts(own_vrids(WELL, wire(listen={"adverts": ()}), WEB))


def test_without_a_client() -> None:
    with pytest.raises(Unavailable, match="nobody there"):
        texts(vip_answers(WELL, WireAnswers(reason="nobody there"), VIP))
