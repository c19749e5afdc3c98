"""Faults for a lab: how to break a host, how to repair it, and the expected diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

VIP = "192.168.227.10"
CONF = "/etc/keepalived/keepalived.conf"
SAVE = f"cp -p {CONF} /run/keepalived.conf.saved"
RESTORE = f"cp -p /run/keepalived.conf.saved {CONF}"

LOG_RULES = frozenset({"vrrp-flapping", "server-flapping", "clock-spread"})
"""Rules that may find something after every fault.

The log of the last ten minutes still contains the earlier faults. An emulated director that gets
too little processor time flaps, and its clock falls behind.
"""


@dataclass(frozen=True)
class Fault:
    """A fault of `host`: the doctor must name `rule` for it, and nothing else but `companions`.

    `diagnosed_host` is set if the diagnosis names another host; it is empty for no single host.
    `changes_neighbour` says that the client learns another hardware address of the VIP, which it
    must forget after the repair.
    """

    rule: str
    host: str
    break_script: str
    repair_script: str
    diagnosed_host: str | None = None
    companions: tuple[str, ...] = ()
    changes_neighbour: bool = False

    @property
    def diagnosis(self) -> tuple[str, str]:
        """The expected rule and host."""
        return self.rule, self.host if self.diagnosed_host is None else self.diagnosed_host


ROGUE = r"""
import ipaddress, socket, struct, time
source, group = "192.168.227.103", "224.0.0.18"
body = struct.pack("!BBBBHH", 0x31, 10, 50, 1, 20, 0)
body += ipaddress.ip_address("192.168.227.10").packed
pseudo = socket.inet_aton(source) + socket.inet_aton(group)
pseudo += struct.pack("!BBH", 0, 112, len(body))
total = sum(struct.unpack("!%dH" % (len(pseudo + body) // 2), pseudo + body))
while total >> 16:
    total = (total & 0xFFFF) + (total >> 16)
body = body[:6] + struct.pack("!H", ~total & 0xFFFF) + body[8:]
sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
while True:
    sock.sendto(body, (group, 0))
    time.sleep(0.1)
"""
"""A foreign VRRP router with the front end's VRID and a low priority (RFC 5798 §5.2)."""

SCRIPT = """
vrrp_script everybody {
    script "/run/everybody-writes.sh"
    user root
}
"""

FORGET = f"ip neigh del {VIP} dev eth0 || :"

_FAULTS = (
    Fault(
        "dsr-black-hole", "web1", f"ip addr del {VIP}/32 dev lo", "systemctl restart hactl-lo-vip"
    ),
    Fault(
        "arp-flux",
        "web1",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.eth0.arp_ignore=0",
        "sysctl -qw net.ipv4.conf.all.arp_ignore=1",
        changes_neighbour=True,
    ),
    Fault(
        "rp-filter",
        "web1",
        "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1",
        "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=2",
    ),
    Fault(
        "service-on-rip",
        "web2",
        "cp -p /etc/nginx/sites-available/default /run/site.saved;"
        " sed -i 's/listen 80 default_server/listen 192.168.227.104:80 default_server/'"
        " /etc/nginx/sites-available/default; systemctl restart nginx",
        "cp -p /run/site.saved /etc/nginx/sites-available/default; systemctl restart nginx",
    ),
    Fault("service-down", "web2", "systemctl stop nginx", "systemctl start nginx"),
    Fault(
        "disk-full",
        "web1",
        "mkdir -p /run/full; mount -t tmpfs -o size=64k full /run/full;"
        " ! head -c 1M /dev/zero >/run/full/x",
        "umount /run/full; rmdir /run/full",
    ),
    Fault(
        "stale-arp",
        "client",
        f"ip neigh replace {VIP} lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        f"ip neigh del {VIP} dev eth0",
    ),
    Fault(
        "vrid-clash",
        "web1",
        f"printf %s '{ROGUE}' >/run/rogue.py;"
        " systemd-run -q --unit=rogue python3 /run/rogue.py; sleep 0.5",
        "systemctl stop rogue; rm /run/rogue.py",
        diagnosed_host="",
    ),
    Fault(
        "redirects",
        "lvs1",
        "sysctl -qw net.ipv4.conf.all.send_redirects=1",
        "sysctl -qw net.ipv4.conf.all.send_redirects=0",
    ),
    Fault(
        "table-by-hand",
        "lvs1",
        f"ipvsadm -d -t {VIP}:80 -r 192.168.227.103:80",
        f"ipvsadm -a -t {VIP}:80 -r 192.168.227.103:80 -g -w 1",
    ),
    Fault(
        "sync-inert",
        "lvs2",
        "ipvsadm --stop-daemon backup",
        "ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 10",
    ),
    Fault(
        "clock-spread",
        "lvs2",
        "date -s '+100 seconds'",
        "date -s '-100 seconds'",
    ),
    Fault(
        "dead-server-held",
        "lvs2",
        "sysctl -qw net.ipv4.vs.expire_nodest_conn=0",
        "sysctl -qw net.ipv4.vs.expire_nodest_conn=1",
    ),
    Fault(
        "left-behind",
        "web2",
        "cp -p /var/lib/hactl/ledger /run/ledger.saved; ip addr add 10.8.8.8/32 dev lo;"
        r" printf 'ledger\037address\03710.8.8.8/32\n' >>/var/lib/hactl/ledger",
        "cp -p /run/ledger.saved /var/lib/hactl/ledger; ip addr del 10.8.8.8/32 dev lo",
    ),
    Fault(
        "stray-lo-vip",
        "lvs2",
        f"ip addr add {VIP}/32 dev lo",
        f"ip addr del {VIP}/32 dev lo",
        changes_neighbour=True,
    ),
    Fault(
        "vip-by-hand",
        "web2",
        f"ip addr add {VIP}/32 dev eth0",
        f"ip addr del {VIP}/32 dev eth0",
        changes_neighbour=True,
    ),
    Fault("config-edited", "lvs2", f"{SAVE}; echo '# mine' >>{CONF}", RESTORE),
    Fault(
        "config-not-loaded",
        "lvs2",
        f"{SAVE}; sed -i 's/advert_int 0.2/advert_int 0.3/' {CONF};"
        f" systemctl reload keepalived; sleep 1; {RESTORE}",
        "systemctl reload keepalived",
    ),
    Fault(
        "handover-in-force",
        "lvs2",
        "echo 100 >/var/lib/hactl/handover/web; sleep 1",
        "echo 0 >/var/lib/hactl/handover/web; sleep 1",
    ),
    Fault(
        "vrrp-filtered",
        "lvs2",
        "nft 'table inet mine { chain in"
        " { type filter hook input priority 0; ip protocol 112 drop; }; }'; sleep 1.5",
        "nft delete table inet mine; sleep 1",
    ),
    Fault(
        "vrrp-settings-differ",
        "lvs2",
        f"{SAVE}; sed -i 's/version 3/version 2/; s/advert_int 0.2/advert_int 1/' {CONF};"
        " systemctl reload keepalived; sleep 5",
        f"{RESTORE}; systemctl reload keepalived; sleep 1",
        diagnosed_host="",
        companions=("config-edited",),
    ),
    Fault(
        "script-security",
        "lvs2",
        f"{SAVE}; printf '#!/bin/sh\\n' >/run/everybody-writes.sh;"
        f" chmod 0777 /run/everybody-writes.sh; printf '%s' '{SCRIPT}' >/run/everybody.conf;"
        " sed -i -e '/^# Front end/r /run/everybody.conf'"
        f" -e 's/^global_defs {{/&\\n    enable_script_security/' {CONF};"
        " systemctl reload keepalived; sleep 1.5",
        f"{RESTORE}; rm /run/everybody*; systemctl restart keepalived; sleep 1.5",
        companions=("config-edited",),
    ),
    Fault(
        "keepalived-hung",
        "lvs2",
        "kill -STOP $(pgrep -x keepalived)",
        "kill -CONT $(pgrep -x keepalived); sleep 1",
    ),
    Fault("keepalived-down", "lvs2", "systemctl stop keepalived", ":"),
    Fault(
        "no-ipvs",
        "lvs2",
        "ipvsadm -C; ipvsadm --stop-daemon master || :; ipvsadm --stop-daemon backup || :;"
        " modprobe -r ip_vs_rr; modprobe -r ip_vs",
        "modprobe ip_vs; sysctl -q --system",  # the module took its parameters with it
    ),
    Fault(
        "dead-holder",
        "lvs2",
        f"ip addr add {VIP}/32 dev eth0",
        f"ip addr del {VIP}/32 dev eth0; systemctl start keepalived; sleep 1.5",
    ),
    Fault("vip-removed", "lvs1", f"ip addr del {VIP}/32 dev eth0; sleep 1.5", ":"),
)

FAULTS = {fault.rule: fault for fault in _FAULTS}

ROUNDS = (
    ("dsr-black-hole", "service-on-rip", "redirects", "config-edited", "stale-arp"),
    ("rp-filter", "service-down", "table-by-hand", "clock-spread"),
    ("arp-flux", "vip-by-hand", "sync-inert"),
    ("dead-server-held", "left-behind", "disk-full"),
    ("vrid-clash", "stray-lo-vip"),
    ("config-not-loaded",),
    ("handover-in-force",),
    ("vrrp-filtered",),
    ("vrrp-settings-differ",),
    ("script-security",),
    ("keepalived-hung",),
    ("keepalived-down",),
    ("no-ipvs",),
    ("dead-holder",),
    ("vip-removed",),
)
"""Faults that a test makes together, on different hosts.

An inspection of an emulated director takes seconds. The order of the rounds matters: three rounds
are about the same stopped Keepalived, and the effects of the last round stay in the log.
"""
