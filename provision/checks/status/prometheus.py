"""A Status in Prometheus's text exposition format 0.0.4, for node_exporter's textfile collector. Pure.

Names and units follow https://prometheus.io/docs/practices/naming/. What is not known is left out, never guessed: a
director that did not answer has no `hactl_vrrp_master`, and zero findings count only where all hosts were seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from provision.checks.status.model import STATES, ServerStatus, Status

Labels = dict[str, str]
Sample = tuple[Labels, float]


def exposition(status: Status) -> str:
    """The whole text: for each metric HELP, TYPE and its samples, if it has any."""
    return "".join(
        _metric(name, kind, text, samples)
        for name, kind, text, samples in _metrics(status)
        if samples
    )


def _metric(name: str, kind: str, text: str, samples: list[Sample]) -> str:
    lines = [f"# HELP {name} {_escaped(text)}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    quoted = (f'{name}="{_escaped(value, quote=True)}"' for name, value in labels.items())
    return "{" + ",".join(quoted) + "}" if labels else ""


def _escaped(text: str, *, quote: bool = False) -> str:
    """A backslash, a line feed and, in a label's value, a quote are escaped; nothing else (text format 0.0.4)."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _metrics(status: Status) -> Iterator[tuple[str, str, str, list[Sample]]]:
    hosts, coverage = status.hosts, status.coverage
    findings = coverage.known(len(status.findings))
    yield (
        "hactl_status_timestamp_seconds",
        "gauge",
        "When this was looked at.",
        [({}, round(status.taken, 3))],
    )
    yield (
        "hactl_ok",
        "gauge",
        "Whether every host answers and nothing is wrong.",
        [({}, float(status.ok))],
    )
    wrong: list[Sample] = [] if findings is None else [({}, float(findings))]
    yield "hactl_findings", "gauge", "How many things are wrong on the hosts that were seen.", wrong
    yield "hactl_hosts", "gauge", "How many hosts there are.", [({}, float(len(coverage.hosts)))]
    yield (
        "hactl_hosts_seen",
        "gauge",
        "How many of them could be looked at.",
        [({}, float(len(coverage.seen)))],
    )
    answers: list[Sample] = [({"host": host.host}, float(not host.problem)) for host in hosts]
    yield "hactl_up", "gauge", "Whether the host could be looked at.", answers
    drift: list[Sample] = [
        ({"host": host.host}, float(host.drift)) for host in hosts if host.drift is not None
    ]
    yield "hactl_drift_changes", "gauge", "How many changes a deploy would make.", drift
    numbers = [
        ({"host": host.host}, float(host.generation.number)) for host in hosts if host.generation
    ]
    yield "hactl_generation", "gauge", "The number of the last confirmed deploy.", numbers
    yield from _vips(status)
    yield from _directors(status)
    yield from _servers(status)


def _vips(status: Status) -> Iterator[tuple[str, str, str, list[Sample]]]:
    count: list[Sample] = []
    held: list[Sample] = []
    for frontend in status.frontends:
        for vip in frontend.vips:
            labels = {"frontend": frontend.name, "vip": vip.address}
            if not vip.unseen or vip.held == "several":  # else one of those may hold it, too
                count.append((labels, float(len(vip.holders))))
            held += [({**labels, "host": host}, 1.0) for host, _ in vip.holders]
    yield (
        "hactl_vip_holders",
        "gauge",
        "How many hosts hold the virtual address; one is right.",
        count,
    )
    yield "hactl_vip_held", "gauge", "The hosts that hold the virtual address.", held


def _directors(status: Status) -> Iterator[tuple[str, str, str, list[Sample]]]:
    told = [
        ({"frontend": frontend.name, "host": one.host, "instance": one.instance}, one)
        for frontend in status.frontends
        for one in frontend.directors
        if one.state in STATES
    ]

    def samples(name: str) -> list[Sample]:
        return [(labels, float(getattr(one, name))) for labels, one in told]

    states = [
        ({**labels, "state": state}, float(one.state == state))
        for labels, one in told
        for state in STATES
    ]
    yield "hactl_vrrp_state", "gauge", "1 for the state that the VRRP instance is in.", states
    masters = [(labels, float(one.state == "MASTER")) for labels, one in told]
    yield "hactl_vrrp_master", "gauge", "Whether the VRRP instance is master.", masters
    yield "hactl_vrrp_priority", "gauge", "The effective priority.", samples("priority")
    yield (
        "hactl_vrrp_handover",
        "gauge",
        "What a planned hand-over adds to the priority.",
        samples("handover"),
    )
    sent, heard = samples("adverts_sent"), samples("adverts_received")
    yield "hactl_vrrp_adverts_sent_total", "counter", "Adverts sent since Keepalived started.", sent
    yield (
        "hactl_vrrp_adverts_received_total",
        "counter",
        "Adverts received since Keepalived started.",
        heard,
    )
    yield (
        "hactl_vrrp_adverts_refused_total",
        "counter",
        "Adverts refused since it started.",
        samples("errors"),
    )
    running = {one.host: one for _, one in told}
    daemons = [
        ({"host": host, "role": role}, float(role in one.sync))
        for host, one in running.items()
        for role in ("master", "backup")
    ]
    yield "hactl_sync_daemon", "gauge", "Whether the connection-sync daemon runs.", daemons


def _servers(status: Status) -> Iterator[tuple[str, str, str, list[Sample]]]:
    found: list[tuple[Labels, ServerStatus]] = []
    present: list[Sample] = []
    for frontend in status.frontends:
        for service in frontend.services:
            labels = {
                "frontend": frontend.name,
                "service": service.selector,
                "director": service.director,
            }
            if service.present is not None:
                present.append((labels, float(service.present)))
            found += [
                ({**labels, "server": one.name, "address": one.address}, one)
                for one in service.servers
            ]
    yield "hactl_service_present", "gauge", "Whether the service is in the holder's table.", present
    well = [
        (labels, float(one.state in ("up", "drained")))
        for labels, one in found
        if one.intended is not None
    ]
    yield (
        "hactl_real_server_up",
        "gauge",
        "Whether the real server is in the table and its checks pass.",
        well,
    )
    weights = [(labels, float(one.weight)) for labels, one in found if one.weight is not None]
    yield "hactl_real_server_weight", "gauge", "Its live weight.", weights
    intended = [(labels, float(one.intended)) for labels, one in found if one.intended is not None]
    yield "hactl_real_server_intended_weight", "gauge", "Its weight in the inventory.", intended
    active = [(labels, float(one.active)) for labels, one in found if one.weight is not None]
    yield "hactl_real_server_active_connections", "gauge", "Its active connections.", active
    idle = [(labels, float(one.inactive)) for labels, one in found if one.weight is not None]
    yield "hactl_real_server_inactive_connections", "gauge", "Its inactive connections.", idle
