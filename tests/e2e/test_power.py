"""Power cuts and reboots: clients go on being served, and hosts come back as they were."""

from __future__ import annotations

import subprocess
import time
from itertools import pairwise

from tests.e2e.model import VIP
from tests.e2e.site import Site, patiently

#: A request every 20 ms with its time of answer; a line an answered one.
PROBE = f"""
while :; do
    page=$(curl -s --max-time 0.5 http://{VIP}/) && echo "$(date +%s.%N) $page"
    sleep 0.02
done
"""
#: Seconds without an answer that are allowed: 0.72 s until the backup takes over, a last request that waits for its
#: time limit, and an emulated director's slowness.
OUTAGE = 2.0


class Probe:
    """The client asking all the time."""

    def __init__(self, site: Site) -> None:
        # A login of its own: closing it ends the loop on the client.
        argv = [*site.login(), "client", PROBE]
        self._ssh = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def stop(self) -> list[tuple[float, str]]:
        """End it; returns the time and page of every answer."""
        self._ssh.terminate()
        out, _ = self._ssh.communicate(timeout=10)
        lines = [line.partition(" ") for line in out.splitlines()]
        return [(float(at), page) for at, _, page in lines if page.endswith("!")]


def outage(answers: list[tuple[float, str]]) -> float:
    """The longest time between two answers, in seconds."""
    times = [at for at, _ in answers]
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
    assert gap <= OUTAGE
    assert {page for _, page in answers[-20:]} == {"this is web1!", "this is web2!"}
    assert site.holders(VIP, ["lvs2"]) == ["lvs2"]

    site.forget("lvs1")
    site.lab("boot", "lvs1")
    for _ in patiently(30):
        if site.holders(VIP) == ["lvs1"]:
            break
    assert site.holders(VIP) == ["lvs1"]
    site.await_pages(VIP, {"this is web1!", "this is web2!"})
    site.assert_in_step()


#: Asks who has the VIP some ten times a second and writes down every answer on the wire.
ASK = f"""
tcpdump -lne -i eth0 arp >/root/arp 2>/dev/null </dev/null & echo $! >/root/asking
while sleep 0.1; do arping -q -b -c1 -w1 -I eth0 {VIP}; done </dev/null >/dev/null 2>&1 & echo $! >>/root/asking
"""


def claimants(site: Site) -> list[str]:
    """Ends the asking; returns the MAC of every answer for the VIP."""
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
