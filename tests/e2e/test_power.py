"""Power cuts and reboots: clients are still served, and hosts come back as they were."""

from __future__ import annotations

import subprocess
import time
from itertools import pairwise

from tests.e2e.model import VIP
from tests.e2e.site import Site
from tests.waiting import wait_until

PROBE = f"""
while :; do
    page=$(curl -s --max-time 0.5 http://{VIP}/) && echo "$(date +%s.%N) $page"
    sleep 0.02
done
"""
"""Sends a request every 20 ms, and prints a line with the time of each answer."""

MAX_OUTAGE = 2.0
"""Seconds without an answer: a takeover of 0.72 s, a request's time-out, a slow director."""


class Probe:
    """The client, which sends requests all the time."""

    def __init__(self, site: Site) -> None:
        # A separate login: its end also ends the loop on the client.
        argv = [*site.login(), "client", PROBE]
        self._ssh = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def stop(self) -> list[tuple[float, str]]:
        """End the loop; returns the time and page of every answer."""
        self._ssh.terminate()
        out, _ = self._ssh.communicate(timeout=10)
        lines = [line.partition(" ") for line in out.splitlines()]
        return [(float(time), page) for time, _, page in lines if page.endswith("!")]


def outage(answers: list[tuple[float, str]]) -> float:
    """The longest time between two answers, in seconds."""
    times = [time for time, _ in answers]
    return max(later - sooner for sooner, later in pairwise(times))


def test_the_masters_power_is_cut_and_comes_back(site: Site) -> None:
    probe = Probe(site)
    time.sleep(3)
    site.lab("cut", "lvs1")
    time.sleep(6)
    answers = probe.stop()
    gap = outage(answers)
    print(f"outage {gap:.2f} s in {len(answers)} answers")
    assert len(answers) > 50
    assert gap <= MAX_OUTAGE
    assert {page for _, page in answers[-20:]} == {"this is web1!", "this is web2!"}
    assert site.holders(VIP, ["lvs2"]) == ["lvs2"]

    site.forget("lvs1")
    site.lab("boot", "lvs1")
    wait_until(lambda: site.holders(VIP) == ["lvs1"], 30, 0.3, "lvs1 holds the VIP")
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    site.assert_in_step()


ASK = f"""
tcpdump -lne -i eth0 arp >/root/arp 2>/dev/null </dev/null & echo $! >/root/asking
while sleep 0.1; do arping -q -b -c1 -w1 -I eth0 {VIP}; done </dev/null >/dev/null 2>&1 &
echo $! >>/root/asking
"""
"""Asks for the holder of the VIP ten times a second, and records every answer on the wire."""


def claimants(site: Site) -> list[str]:
    """End the requests; returns the MAC of every answer for the VIP."""
    answers = site.ssh(
        "client",
        f"kill $(cat /root/asking); sleep 0.3; grep -o 'Reply {VIP} is-at [0-9a-f:]*' /root/arp",
    )
    return [line.split()[-1] for line in answers.splitlines()]


def test_a_real_server_reboots_and_never_claims_the_vip(site: Site) -> None:
    master = site.ssh("lvs1", "cat /sys/class/net/eth0/address")
    site.ssh("client", ASK)
    site.reboot("web1")
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    answers = claimants(site)
    assert len(answers) > 20
    assert set(answers) == {master}
    assert site.ssh("web1", "cat /proc/sys/net/ipv4/conf/all/arp_ignore") == "1"
    assert "lo:0" in site.ssh("web1", f"ip -o addr show to {VIP}")
    site.assert_in_step()


def test_a_director_reboots(site: Site) -> None:
    site.reboot("lvs2")
    assert site.ssh("lvs2", "systemctl is-active keepalived") == "active"
    assert "backup" in site.ssh("lvs2", "ipvsadm --list --daemon")
    assert site.ssh("lvs2", "cat /proc/sys/net/ipv4/conf/all/send_redirects") == "0"
    assert site.holders(VIP) == ["lvs1"]
    site.assert_in_step()
