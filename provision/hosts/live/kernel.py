"""Checks of effective kernel parameters: mostly the larger value of `all` and the interface."""

from __future__ import annotations

from collections.abc import Iterator

from provision.hosts.live.snapshot import Snapshot
from provision.hosts.live.state import LiveFinding, LiveHost


def effective(live: LiveHost, interface: str, name: str) -> int | None:
    """Return the effective value of a net.ipv4.conf parameter: max(all, interface).

    The rule is the kernel's (ip-sysctl). None if the host does not have the parameter.
    """
    values = _values(live, interface, name).values()
    return max((int(value) for value in values if value.isdecimal()), default=None)


def _values(live: LiveHost, interface: str, name: str) -> dict[str, str]:
    """Return the values of a parameter for `all` and for an interface."""
    values = {
        scope: live.sysctls.get(f"net.ipv4.conf.{scope.replace('.', '/')}.{name}")
        for scope in ("all", interface)
    }
    return {scope: value for scope, value in values.items() if value is not None}


def _interfaces(live: LiveHost, *excluded: str) -> tuple[str, ...]:
    """Return the interfaces without the loopback and the excluded ones."""
    start, end = "net.ipv4.conf.", ".arp_ignore"
    names = (
        name[len(start) : -len(end)].replace("/", ".")
        for name in live.sysctls
        if name.endswith(end)
    )
    return tuple(name for name in names if name not in ("all", "default", "lo", *excluded))


def send_redirects(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A director does not redirect clients: they would bypass it to one real server."""
    live = snapshot.lives[host]
    interfaces = {
        snapshot.expected(host).interface,
        *(instance.interface for instance in snapshot.expected(host).instances),
    }
    for interface in sorted(interfaces):
        if effective(live, interface, "send_redirects"):
            yield LiveFinding(
                "send_redirects",
                host,
                "sends ICMP redirects",
                f"effective on {interface}: {_values_text(live, interface, 'send_redirects')}",
                f"set net.ipv4.conf.all.send_redirects and that of {interface} to 0: deploy does",
            )


def forwarding(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """With NAT, forwarding is on: the director routes between real servers and clients."""
    names = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
    for family in snapshot.expected(host).forwarding:
        if snapshot.lives[host].sysctls.get(names[family]) == "0":
            yield LiveFinding(
                "forwarding",
                host,
                f"{names[family]} is 0",
                "its services use NAT, and the real servers' answers come back through it",
                f"`sysctl -w {names[family]}=1`, or deploy",
            )


def arp(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server does not answer ARP requests for its loopback's VIPs, nor send them from a VIP.

    Otherwise it takes the VIPs from the directors. `arp_ignore` must be 1, 2 or 8, and
    `arp_announce` 2 (kernel ip-sysctl). Values of `lo` and `default` alone have no effect.
    """
    live, expected = snapshot.lives[host], snapshot.expected(host)
    if not any(vip.ipv4 for vip in expected.lo_vips):
        return
    for interface in _interfaces(live, *expected.tunnel_devices):
        for name, good, effect in (
            ("arp_ignore", (1, 2, 8), "answers ARP requests for the VIPs"),
            ("arp_announce", (2,), "sends ARP requests from the VIPs"),
        ):
            value = effective(live, interface, name)
            if value is not None and value not in good:
                values = _values_text(live, interface, name)
                yield LiveFinding(
                    "arp",
                    host,
                    effect,
                    f"effective {name} on {interface} is {value}: {values}",
                    f"set net.ipv4.conf.all.{name} to {good[0]}: deploy does",
                )


def rp_filter(snapshot: Snapshot, host: str) -> Iterator[LiveFinding]:
    """A real server drops no requests by strict reverse-path filtering (RFC 3704, ip-sysctl)."""
    live, expected = snapshot.lives[host], snapshot.expected(host)
    interface = expected.interface
    if any(vip.ipv4 for vip in expected.lo_vips) and effective(live, interface, "rp_filter") == 1:
        yield LiveFinding(
            "rp_filter",
            host,
            "filters strictly by the reverse path",
            f"effective on {interface}: {_values_text(live, interface, 'rp_filter')}",
            f"set net.ipv4.conf.{interface.replace('.', '/')}.rp_filter to 2: deploy does",
        )
    for device in expected.tunnel_devices:
        if effective(live, device, "rp_filter"):
            values = _values_text(live, device, "rp_filter")
            yield LiveFinding(
                "rp_filter",
                host,
                "drops packets from the tunnel",
                f"effective on {device}: {values}; the device has no IP address",
                f"set net.ipv4.conf.all.rp_filter and that of {device} to 0: deploy does",
            )


def _values_text(live: LiveHost, interface: str, name: str) -> str:
    """Return the values of a parameter as text: `all 0, eth0 1`."""
    values = _values(live, interface, name)
    return ", ".join(f"{scope} {value}" for scope, value in values.items())
