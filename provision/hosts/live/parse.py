"""Parser of the look agent's output: returns a `LiveHost`. Pure.

The sections are the unchanged output of ip(8), ss(8), systemctl(1) and ipvsadm(8), of `grep -H`
over files of /proc and /sys, and Keepalived's answer to SIGJSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from provision.formats import bounded_json, endpoint
from provision.formats.ip_addr import live_addresses
from provision.hosts.live.state import (
    Listener,
    LiveHost,
    LiveServer,
    LiveService,
    LiveSyncDaemon,
    LiveUnit,
    VrrpInstance,
)
from provision.hosts.protocol import decode_drains

Sections = dict[str, list[str]]

_WILDCARDS = ("0.0.0.0", "::", "*")  # noqa: S104  # compared, never bound
_SYNC = re.compile(r"(master|backup) sync daemon \(mcast=([^,)]+), syncid=(\d+)")
_STATES = {0: "INIT", 1: "BACKUP", 2: "MASTER", 3: "FAULT", 97: "STOP", 98: "DELETED"}
"""Keepalived's `state` (vrrp/include/vrrp.h). The numbers from 0 to 2 are those of the VRRP MIB."""

_ERRORS = (
    "packet_len_err",
    "advert_interval_err",
    "ip_ttl_err",
    "invalid_type_rcvd",
    "addr_list_err",
    "invalid_authtype",
    "authtype_mismatch",
    "auth_failure",
)
_FORWARD = {"Route": "dr", "Tunnel": "tun", "Masq": "nat", "Local": "local", "Bypass": "bypass"}
_SELECTORS = {"TCP": "-t", "UDP": "-u", "SCTP": "--sctp-service"}


class LookError(ValueError):
    """The agent's output cannot be parsed."""


def live_host(
    host: str, sections: Mapping[str, Sequence[str]], now: float, round_trip: float, duration: float
) -> LiveHost:
    """Return the state of a host that was inspected for `duration` seconds.

    `now` is the controller's wall clock in the middle of `round_trip`.

    Raises:
        LookError: a section cannot be parsed.
    """
    try:
        return _live_host(host, sections, now, round_trip, duration)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LookError(f"{type(error).__name__}: {error}") from error


def _live_host(
    host: str, sections: Mapping[str, Sequence[str]], now: float, round_trip: float, duration: float
) -> LiveHost:
    files = dict(_files(sections.get("files", ())))
    clock = sections["clock"][0]
    drains = decode_drains(sections.get("drained", ()))
    # A date(1) without fractions rounds down to the second.
    resolution = 0.0 if "." in clock else 1.0
    return LiveHost(
        host=host,
        clock=float(clock) + resolution / 2 - now,
        round_trip=round_trip + resolution,
        boot_id=files.get("proc/sys/kernel/random/boot_id", ""),
        seconds=duration,
        macs=_of_interfaces(files, "address"),
        carriers={name: value == "1" for name, value in _of_interfaces(files, "carrier").items()},
        addresses=tuple(live_addresses(sections.get("addresses", ()))),
        sysctls={
            _dotted(path): value
            for path, value in files.items()
            if path.startswith("proc/sys/net/")
        },
        listeners=tuple(_listeners(sections.get("listeners", ()))),
        units={unit.name: unit for unit in _units(sections.get("units", ()))},
        vrrp=tuple(_vrrp("".join(sections.get("vrrp", ())))),
        ipvs_saved=tuple(line.strip() for line in sections.get("ipvs_saved", ()) if line.strip()),
        services=tuple(ipvs_services(sections.get("ipvs", ()))),
        sync=tuple(_sync(sections.get("sync", ()))),
        drained={host: words for host, words in drains.items() if host != "."},
        drained_by=drains.get(".", ""),
    )


def _files(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield paths and contents, white space folded.

    A path may contain a colon in an interface's name. Of the contents only hardware addresses do.
    """
    for line in lines:
        kind = next((name for name in ("/address:", "/carrier:") if name in line), "")
        path, _, value = line.partition(kind) if kind else line.rpartition(":")
        yield path + kind.rstrip(":"), " ".join(value.split())


def _of_interfaces(files: Mapping[str, str], name: str) -> dict[str, str]:
    base, end = "sys/class/net/", f"/{name}"
    return {
        path[len(base) : -len(end)]: value
        for path, value in files.items()
        if path.startswith(base) and path.endswith(end)
    }


def _dotted(path: str) -> str:
    """Return a parameter's name: dots and slashes change places (sysctl(8))."""
    return path.removeprefix("proc/sys/").translate(str.maketrans("./", "/."))


def _listeners(lines: Iterable[str]) -> Iterator[Listener]:
    """Read lines of `ss -lntuH`.

    Their words are protocol, state, two queues, `ADDRESS[%INTERFACE]:PORT`, peer and `cgroup:PATH`.
    """
    for line in lines:
        words = line.split()
        if len(words) < 6:
            continue
        address, port = endpoint.split(words[4])
        address = address.partition("%")[0].strip("[]")
        cgroup = next((word for word in words[6:] if word.startswith("cgroup:")), "").split("/")
        unit = next((part for part in cgroup if part.endswith(".service")), "")
        # `*` is ss's word for a socket of both families.
        family = 0 if address == "*" else 6 if ":" in address else 4
        name = "*" if address in _WILDCARDS else address
        yield Listener(words[0], name, int(port), unit, family)


def _units(lines: Iterable[str]) -> Iterator[LiveUnit]:
    """Read the blocks of `systemctl show`, which are separated by an empty line."""
    block: dict[str, str] = {}
    for line in (*lines, ""):
        key, equals, value = line.partition("=")
        if equals:
            block[key] = value
        elif block:
            pid = int(block.get("MainPID") or 0)
            yield LiveUnit(
                block["Id"], block.get("ActiveState", ""), block.get("UnitFileState", ""), pid
            )
            block = {}


def _vrrp(text: str) -> Iterator[VrrpInstance]:
    for entry in bounded_json.loads(text) if text.strip() else ():
        yield _instance(entry["data"], entry["stats"])


def _instance(data: Mapping[str, Any], stats: Mapping[str, int]) -> VrrpInstance:
    vips = (*data.get("vips", ()), *data.get("evips", ()))
    return VrrpInstance(
        name=data["iname"],
        interface=data["ifp_ifname"],
        vrid=data["vrid"],
        state=_STATES.get(data["state"], str(data["state"])),
        priority=data["effective_priority"],
        vips=tuple(vip.split()[0].partition("/")[0] for vip in vips),
        advert_int=float(data["adver_int"]),
        adverts_received=stats["advert_rcvd"],
        adverts_sent=stats["advert_sent"],
        became_master=stats["become_master"],
        released_master=stats["release_master"],
        errors=sum(stats.get(name, 0) for name in _ERRORS),
        base_priority=data.get("base_priority", 0),
        version=data.get("version", 0),
        since=float(data.get("last_transition", 0)),
    )


def ipvs_services(lines: Iterable[str]) -> Iterator[LiveService]:
    """Read the table that `ipvsadm -Ln` prints: a line a service, then `->` and a real server."""
    selector, scheduler = "", ""
    servers: list[LiveServer] = []
    for line in lines:
        words = line.split()
        if words[:1] == ["->"] and selector:
            servers.append(_server(words))
        elif words and (words[0] in _SELECTORS or words[0] == "FWM"):
            if selector:
                yield LiveService(selector, scheduler, tuple(servers))
            selector, scheduler = _selector(words)
            servers = []
    if selector:
        yield LiveService(selector, scheduler, tuple(servers))


def _selector(words: Sequence[str]) -> tuple[str, str]:
    """Return ipvsadm's option for a service, and its scheduler."""
    if words[0] != "FWM":
        return f"{_SELECTORS[words[0]]} {words[1]}", words[2]
    ipv6 = words[2] == "IPv6"
    return f"-f {words[1]}" + (" -6" if ipv6 else ""), words[3 if ipv6 else 2]


def _server(words: Sequence[str]) -> LiveServer:
    """Read the words of `-> ADDRESS:PORT Forward Weight ActiveConn InActConn`."""
    address, port = endpoint.split(words[1])
    weight, active, inactive = map(int, words[3:6])
    return LiveServer(
        address, int(port), _FORWARD.get(words[2], words[2]), weight, active, inactive
    )


def _sync(lines: Iterable[str]) -> Iterator[LiveSyncDaemon]:
    for line in lines:
        if match := _SYNC.match(line.strip()):
            yield LiveSyncDaemon(match[1], match[2], int(match[3]))
