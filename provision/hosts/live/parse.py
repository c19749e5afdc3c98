"""What the look agent printed, read into a `LiveHost`. Pure: text in, values out.

The sections are the output of ip(8), ss(8), systemctl(1) and ipvsadm(8) as they are, of `grep -H` over files of /proc
and /sys, and Keepalived's answer to SIGJSON.
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
"""Keepalived's `state` (vrrp/include/vrrp.h); the numbers are those of the VRRP MIB as far as they go."""

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
    """The agent's output is not what its tools print."""


def live_host(
    host: str, sections: Mapping[str, Sequence[str]], now: float, round_trip: float, took: float
) -> LiveHost:
    """The host that a look has found; `now` is the controller's wall clock in the middle of `round_trip`.

    Raises:
        LookError: a section cannot be read.
    """
    try:
        files = dict(_files(sections.get("files", ())))
        told = sections["clock"][0]
        drains = decode_drains(sections.get("drained", ()))
        rounded = (
            0.0 if "." in told else 1.0
        )  # a date(1) without fractions tells the second that has begun
        return LiveHost(
            host=host,
            clock=float(told) + rounded / 2 - now,
            round_trip=round_trip + rounded,
            boot_id=files.get("proc/sys/kernel/random/boot_id", ""),
            seconds=took,
            macs=_of_interfaces(files, "address"),
            carriers={
                name: value == "1" for name, value in _of_interfaces(files, "carrier").items()
            },
            addresses=tuple(live_addresses(sections.get("addresses", ()))),
            sysctls={
                _dotted(path): value
                for path, value in files.items()
                if path.startswith("proc/sys/net/")
            },
            listeners=tuple(_listeners(sections.get("listeners", ()))),
            units={unit.name: unit for unit in _units(sections.get("units", ()))},
            vrrp=tuple(_vrrp("".join(sections.get("vrrp", ())))),
            ipvs_saved=tuple(
                line.strip() for line in sections.get("ipvs_saved", ()) if line.strip()
            ),
            services=tuple(ipvs_services(sections.get("ipvs", ()))),
            sync=tuple(_sync(sections.get("sync", ()))),
            drained={host: words for host, words in drains.items() if host != "."},
            out=drains.get(".", ""),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LookError(f"{type(error).__name__}: {error}") from error


def _files(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Paths and their content, white space folded; the interface's name may hold a colon, no value read here does
    but a hardware address."""
    for line in lines:
        kind = next((name for name in ("/address:", "/carrier:") if name in line), "")
        path, _, value = line.partition(kind) if kind else line.rpartition(":")
        yield path + kind.rstrip(":"), " ".join(value.split())


def _of_interfaces(files: Mapping[str, str], name: str) -> dict[str, str]:
    base, end = "sys/class/net/", f"/{name}"
    named = (item for item in files.items() if item[0].startswith(base) and item[0].endswith(end))
    return {path[len(base) : -len(end)]: value for path, value in named}


def _dotted(path: str) -> str:
    """A parameter's name by sysctl(8)'s rule: dots and slashes change places."""
    return path.removeprefix("proc/sys/").translate(str.maketrans("./", "/."))


def _listeners(lines: Iterable[str]) -> Iterator[Listener]:
    """Lines of `ss -lntuH`: protocol, state, queues, local `ADDRESS[%INTERFACE]:PORT`, peer, `cgroup:PATH`."""
    for line in lines:
        words = line.split()
        if len(words) < 6:
            continue
        address, port = endpoint.split(words[4])
        address = address.partition("%")[0].strip("[]")
        cgroup = next((word for word in words[6:] if word.startswith("cgroup:")), "").split("/")
        unit = next((part for part in cgroup if part.endswith(".service")), "")
        family = (
            0 if address == "*" else 6 if ":" in address else 4
        )  # `*` is ss's word for a socket of both families
        name = "*" if address in _WILDCARDS else address
        yield Listener(words[0], name, int(port), unit, family)


def _units(lines: Iterable[str]) -> Iterator[LiveUnit]:
    """Blocks of `systemctl show`, an empty line between them."""
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
    listed = (*data.get("vips", ()), *data.get("evips", ()))
    return VrrpInstance(
        name=data["iname"],
        interface=data["ifp_ifname"],
        vrid=data["vrid"],
        state=_STATES.get(data["state"], str(data["state"])),
        priority=data["effective_priority"],
        vips=tuple(vip.split()[0].partition("/")[0] for vip in listed),
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
    """The table as `ipvsadm -Ln` prints it: a line a service, below it one a real server, after `->`."""
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
    """ipvsadm's option for a service, and its scheduler."""
    if words[0] != "FWM":
        return f"{_SELECTORS[words[0]]} {words[1]}", words[2]
    six = words[2] == "IPv6"
    return f"-f {words[1]}" + (" -6" if six else ""), words[3 if six else 2]


def _server(words: Sequence[str]) -> LiveServer:
    """`-> ADDRESS:PORT Forward Weight ActiveConn InActConn`."""
    address, port = endpoint.split(words[1])
    weight, active, inactive = map(int, words[3:6])
    return LiveServer(
        address, int(port), _FORWARD.get(words[2], words[2]), weight, active, inactive
    )


def _sync(lines: Iterable[str]) -> Iterator[LiveSyncDaemon]:
    for line in lines:
        if found := _SYNC.match(line.strip()):
            yield LiveSyncDaemon(found[1], found[2], int(found[3]))
