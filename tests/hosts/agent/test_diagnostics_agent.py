"""Paths to real servers in tunnels: the packets that a director sends, and its report."""

from __future__ import annotations

import pytest

from provision.hosts.agent.look import look_with
from tests.hosts.agent.local import LocalHost

pytestmark = pytest.mark.agent

IPVSADM = r"""#!/bin/sh
[ "$*" = -Ln ] || exit 0
cat <<'END'
TCP  192.168.227.10:80 rr
  -> 192.168.227.103:80           Tunnel  1      0          0
  -> 192.168.227.104:80           Route   1      0          0
TCP  192.168.227.10:81 rr
  -> 192.168.227.103:80           Tunnel  1      0          0
  -> [fd00::3]:80                 Tunnel  1      0          0
END
"""

IP = r"""#!/bin/sh
case "$*" in
'-o route get '*) echo "$4 dev eth0.7 src 192.168.227.101 uid 0 \    cache" ;;
*) cat "$HACTL_ROOT/addresses" ;;
esac
"""

#: The way to the first takes 1400 bytes, that to the second nothing at all.
PING = r"""#!/bin/sh
echo "$*" >>"$HACTL_ROOT/pings"
[ "$*" = "-n -q -c 2 -i 0.2 -W 1 -M do -s 56 192.168.227.103" ]
"""


def paths(host: LocalHost) -> list[str]:
    return sorted(look_with(host, "doctor")[1]["tunnel_paths"])


@pytest.fixture
def director(host: LocalHost) -> LocalHost:
    for name, text in (
        ("ipvsadm", IPVSADM),
        ("ip", IP),
        ("ping", PING),
        ("systemctl", "#!/bin/sh\n"),
    ):
        host.command(name, text)
    host.write("proc/net/ip_vs", "")
    host.write("sys/class/net/eth0.7/mtu", "1500\n")
    return host


def test_each_server_in_a_tunnel_is_tried_once_small_and_as_large_as_the_interface_takes(
    director: LocalHost,
) -> None:
    assert paths(director) == ["192.168.227.103 eth0.7 1500 yes no", "fd00::3 eth0.7 1500 no no"]
    sizes = [
        (words[-2], words[-1]) for words in map(str.split, director.read("pings").splitlines())
    ]
    expected = [
        ("1452", "fd00::3"),
        ("1472", "192.168.227.103"),
        ("56", "192.168.227.103"),
        ("56", "fd00::3"),
    ]
    assert sorted(sizes) == expected


def test_without_tunnels_nobody_is_asked(director: LocalHost) -> None:
    director.command("ipvsadm", IPVSADM.replace("Tunnel", "Route "))
    assert paths(director) == [] and not director.exists("pings")
