"""The front end as a client sees it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from conftest import GROUPS, holders
from testinfra.host import Host

VIP = "192.168.231.10"


def test_the_real_servers_answer_in_turn(client: Host) -> None:
    pages = client.check_output(
        "for i in 1 2 3 4 5 6; do curl -sSf --max-time 2 http://%s/; done", VIP
    ).splitlines()
    turns = [page for page in pages if page]
    assert Counter(turns) == {f"this is {name}!": 3 for name in GROUPS["web"]}
    assert all(page != next_page for page, next_page in pairwise(turns))


def test_only_the_holder_answers_arp(client: Host, directors: list[Host]) -> None:
    client.check_output("ip neighbour flush to %s && ping -c 1 -W 2 %s", VIP, VIP)
    neighbour = client.check_output("ip neighbour show to %s", VIP).split()
    macs = {
        host.check_output("cat /sys/class/net/eth0/address") for host in holders(directors, VIP)
    }
    assert macs == {neighbour[neighbour.index("lladdr") + 1]}
