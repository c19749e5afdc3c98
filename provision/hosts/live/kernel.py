"""Kernel parameters that count, by what is effective: for most of them the larger of `all` and the interface's."""

from __future__ import annotations

from collections.abc import Iterator

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, LiveHost


def effective(live: LiveHost, interface: str, name: str) -> int | None:
    """The value of a net.ipv4.conf parameter that counts for an interface: max(all, interface), kernel ip-sysctl.

    None where the host does not have it.
    """
    both = (
        live.sysctls.get(f"net.ipv4.conf.{each.replace('.', '/')}.{name}")
        for each in ("all", interface)
    )
    numbers = [int(value) for value in both if value is not None and value.isdecimal()]
    return max(numbers, default=None)


def _interfaces(live: LiveHost, *but: str) -> tuple[str, ...]:
    """The interfaces whose parameters count, the loopback left out."""
    start, end = "net.ipv4.conf.", ".arp_ignore"
    names = (
        name[len(start) : -len(end)].replace("/", ".")
        for name in live.sysctls
        if name.endswith(end)
    )
    return tuple(name for name in names if name not in ("all", "default", "lo", *but))


def send_redirects(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A director does not tell clients of a "better" way, which would lead them past it to one real server."""
    live = seen.lives[host]
    interfaces = {
        seen.wanted(host).interface,
        *(instance.interface for instance in seen.wanted(host).instances),
    }
    for interface in sorted(interfaces):
        if effective(live, interface, "send_redirects"):
            why = f"effective on {interface}: {_both(live, interface, 'send_redirects')}"
            fix = f"set net.ipv4.conf.all.send_redirects and that of {interface} to 0: deploy does"
            yield LiveFinding("send_redirects", host, "sends ICMP redirects", why, fix)


def forwarding(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """With NAT a director routes between real servers and clients, so forwarding is on."""
    names = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
    for family in seen.wanted(host).forwarding:
        if seen.lives[host].sysctls.get(names[family]) == "0":
            why = "its services use NAT, and the real servers' answers come back through it"
            yield LiveFinding(
                "forwarding",
                host,
                f"{names[family]} is 0",
                why,
                f"`sysctl -w {names[family]}=1`, or deploy",
            )


def arp(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server neither answers ARP for the VIPs on its loopback nor asks in their name.

    Otherwise it takes them from the directors. `arp_ignore` 1, 2 or 8 and `arp_announce` 2 (kernel ip-sysctl); `lo` and
    `default` alone do nothing.
    """
    live, wanted = seen.lives[host], seen.wanted(host)
    if not any(vip.ipv4 for vip in wanted.lo_vips):
        return
    for interface in _interfaces(live, *wanted.tunnel_devices):
        for name, good, effect in (
            ("arp_ignore", (1, 2, 8), "answers ARP requests for the VIPs"),
            ("arp_announce", (2,), "asks ARP in the VIPs' name"),
        ):
            value = effective(live, interface, name)
            if value is not None and value not in good:
                why = f"effective {name} on {interface} is {value}: {_both(live, interface, name)}"
                fix = f"set net.ipv4.conf.all.{name} to {good[-1] if name == 'arp_announce' else 1}: deploy does"
                yield LiveFinding("arp", host, effect, why, fix)


def rp_filter(seen: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server does not drop requests because its answers would take another way (RFC 3704, kernel ip-sysctl)."""
    live, wanted = seen.lives[host], seen.wanted(host)
    if (
        any(vip.ipv4 for vip in wanted.lo_vips)
        and effective(live, wanted.interface, "rp_filter") == 1
    ):
        why = f"effective on {wanted.interface}: {_both(live, wanted.interface, 'rp_filter')}"
        fix = f"set net.ipv4.conf.{wanted.interface.replace('.', '/')}.rp_filter to 2: deploy does"
        yield LiveFinding("rp_filter", host, "filters strictly by the way back", why, fix)
    for device in wanted.tunnel_devices:
        if effective(live, device, "rp_filter"):
            why = f"effective on {device}: {_both(live, device, 'rp_filter')}; the device has no address of its own"
            fix = f"set net.ipv4.conf.all.rp_filter and that of {device} to 0: deploy does"
            yield LiveFinding("rp_filter", host, "drops what comes out of the tunnel", why, fix)


def _both(live: LiveHost, interface: str, name: str) -> str:
    """The two values that count: `all 0, eth0 1`."""
    values = {
        each: live.sysctls.get(f"net.ipv4.conf.{each.replace('.', '/')}.{name}")
        for each in ("all", interface)
    }
    return ", ".join(f"{each} {value}" for each, value in values.items() if value is not None)
