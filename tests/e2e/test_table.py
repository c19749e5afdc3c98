"""Every kind of IPVS table in a real kernel: the rules file and Keepalived make the same table."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from provision.core.facts import Facts
from provision.core.shipped import shipped
from provision.desired.host_variables import host_variables
from provision.desired.templates import render_file
from tests.e2e.site import Site
from tests.inventory.building import topology
from tests.roles.keepalived_cases import CASES

LIVE_CASES = [
    "lab",
    "both families",
    "scheduler flags of mh",
    "scheduler flags of sh",
    "persistence",
    "persistence of IPv6",
    "every port",
    "sip over udp",
    "one packet",
    "sctp",
    "nat with another port",
    "ipip tunnel",
    "gue tunnel",
    "gue tunnel, plain",
    "gre tunnel",
    "gre tunnel, plain",
    "tunnel across families",
    "firewall mark",
    "firewall mark in both families",
    "firewall mark, IPv6 tunnel",
    "virtual server group",
    "virtual server group of marks",
    "virtual server groups of both families",
    "active/active",
]
"""Every kind of table, except for tables whose real servers count as down at first."""

LIVE = """
cd "$(mktemp -d)"; tar xf -
try() {
    ip link set lo up; ip link add eth0 type veth peer name eth1
    ip link set eth0 up; ip link set eth1 up
    ip addr add 192.168.227.101/24 dev eth0; ip addr add fd00:227::101/64 dev eth0 nodad
    ipvsadm -R < "$1.rules" || return 1
    ipvsadm -Sn | sort > "$1.own"; ipvsadm -C
    sort "$1.saved" | diff - "$1.own" || return 1
    keepalived --check --dont-fork --no-syslog -f "$1.conf" -p "$PWD/p" -c "$PWD/c" & daemon=$!
    for attempt in 1 2 3 4 5 6 7 8; do
        sleep 0.3; ipvsadm -Sn | sort > "$1.live"; cmp -s "$1.own" "$1.live" && break
    done
    kill "$daemon"; wait "$daemon"
    diff "$1.own" "$1.live"
}
export -f try
for rules in *.rules; do
    unshare --net bash -c "try ${rules%.rules}" || echo "REFUSED ${rules%.rules}"
done
rm -rf "$PWD"
echo end
"""


def test_ipvsadm_and_keepalived_make_the_table_of_the_rules_file(
    site: Site, tmp_path: Path
) -> None:
    """Each case has its own network namespace on a director, which starts Keepalived 24 times."""
    for index, name in enumerate(LIVE_CASES):
        variables = host_variables(
            topology(CASES[name].frontends, hosts=CASES[name].hosts), "lvs1", Facts()
        )
        services = variables["ipvs_services"]
        templates = shipped("roles") / "keepalived" / "templates"
        for suffix, lines in (
            ("rules", [line for service in services for line in service.lines]),
            ("saved", [line for service in services for line in service.saved]),
            ("conf", [render_file(templates, "keepalived.conf.j2", variables)]),
        ):
            (tmp_path / f"{index}.{suffix}").write_text("".join(f"{line}\n" for line in lines))
    archive = subprocess.run(
        ["tar", "cf", "-", "-C", str(tmp_path), "."], capture_output=True, check=True
    ).stdout
    command = ["ssh", "-F", str(site.ssh_config), "lvs2", f"bash -c {shlex.quote(LIVE)}"]
    done = subprocess.run(command, input=archive, capture_output=True, timeout=600, check=False)
    output = done.stdout.decode()
    assert output.endswith("end\n"), done.stderr.decode()
    assert "REFUSED" not in output, output
