"""A Status in Prometheus's text exposition format 0.0.4, for node_exporter's textfile collector.

Names and units follow https://prometheus.io/docs/practices/naming/. Unknown values are left out: a
director that did not answer has no `hactl_vrrp_master`, and there is no count of zero findings
unless all hosts were inspected. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provision.checks.status.model import STATES, Status

Labels = dict[str, str]
Sample = tuple[Labels, float]
Metric = tuple[str, str, str, list[Sample]]
"""Name, type, help text and samples."""


def exposition(status: Status) -> str:
    """Return the whole text: HELP, TYPE and samples of every metric that has samples."""
    return "".join(_metric_text(metric) for metric in _metrics(status) if metric[3])


def _metric_text(metric: Metric) -> str:
    name, kind, text, samples = metric
    lines = [f"# HELP {name} {_escaped(text)}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    quoted = (f'{name}="{_escaped(value, quote=True)}"' for name, value in labels.items())
    return "{" + ",".join(quoted) + "}" if labels else ""


def _escaped(text: str, *, quote: bool = False) -> str:
    """Escape backslashes and line feeds, and quotes in a label's value (text format 0.0.4)."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _gauge(name: str, text: str, samples: Iterable[tuple[Labels, float | None]]) -> Metric:
    """Return a gauge without the samples whose value is None."""
    known = [(labels, float(value)) for labels, value in samples if value is not None]
    return name, "gauge", text, known


_INSTANCE_FIGURES = (
    ("hactl_vrrp_priority", "gauge", "The effective priority.", "priority"),
    (
        "hactl_vrrp_handover",
        "gauge",
        "The number that a planned hand-over adds to the priority.",
        "handover",
    ),
    (
        "hactl_vrrp_adverts_sent_total",
        "counter",
        "Adverts sent since Keepalived started.",
        "adverts_sent",
    ),
    (
        "hactl_vrrp_adverts_received_total",
        "counter",
        "Adverts received since Keepalived started.",
        "adverts_received",
    ),
    (
        "hactl_vrrp_adverts_refused_total",
        "counter",
        "Adverts refused since Keepalived started.",
        "errors",
    ),
)
"""Name, type, help text and field of DirectorStatus."""


def _metrics(status: Status) -> Iterator[Metric]:
    coverage = status.coverage
    findings = coverage.known(len(status.findings))
    hosts = [({"host": host.host}, host) for host in status.hosts]
    yield _gauge(
        "hactl_status_timestamp_seconds",
        "The time of the inspection.",
        [({}, round(status.taken, 3))],
    )
    yield _gauge(
        "hactl_ok", "Whether every host answers and there is no finding.", [({}, status.ok)]
    )
    yield _gauge(
        "hactl_findings", "The number of problems on the hosts that answer.", [({}, findings)]
    )
    yield _gauge("hactl_hosts", "The number of hosts.", [({}, len(coverage.hosts))])
    yield _gauge("hactl_hosts_seen", "The number of hosts that answer.", [({}, len(coverage.seen))])
    yield _gauge(
        "hactl_up",
        "Whether the host answers.",
        [(labels, not host.problem) for labels, host in hosts],
    )
    yield _gauge(
        "hactl_drift_changes",
        "The number of changes that a deploy would make.",
        [(labels, host.drift) for labels, host in hosts],
    )
    yield _gauge(
        "hactl_generation",
        "The number of the last confirmed deploy.",
        [(labels, host.generation.number) for labels, host in hosts if host.generation],
    )
    yield from _vip_metrics(status)
    yield from _director_metrics(status)
    yield from _server_metrics(status)


def _vip_metrics(status: Status) -> Iterator[Metric]:
    vips = [
        ({"frontend": frontend.name, "vip": vip.address}, vip)
        for frontend in status.frontends
        for vip in frontend.vips
    ]
    yield _gauge(
        "hactl_vip_holders",
        "The number of hosts that hold the virtual address; 1 is right.",
        # Without this condition, an unseen director may hold the VIP, too.
        [
            (labels, len(vip.holders))
            for labels, vip in vips
            if not vip.unseen or vip.held == "several"
        ],
    )
    yield _gauge(
        "hactl_vip_held",
        "The hosts that hold the virtual address.",
        [({**labels, "host": host}, 1) for labels, vip in vips for host, _ in vip.holders],
    )


def _director_metrics(status: Status) -> Iterator[Metric]:
    instances = [
        ({"frontend": frontend.name, "host": item.host, "instance": item.instance}, item)
        for frontend in status.frontends
        for item in frontend.directors
        if item.state in STATES
    ]
    yield _gauge(
        "hactl_vrrp_state",
        "1 for the present state of the VRRP instance, 0 for the others.",
        [
            ({**labels, "state": state}, item.state == state)
            for labels, item in instances
            for state in STATES
        ],
    )
    yield _gauge(
        "hactl_vrrp_master",
        "Whether the VRRP instance is master.",
        [(labels, item.state == "MASTER") for labels, item in instances],
    )
    for name, kind, text, field in _INSTANCE_FIGURES:
        figures = [(labels, float(getattr(item, field))) for labels, item in instances]
        yield name, kind, text, figures
    sync_by_host = {item.host: item.sync for _, item in instances}
    yield _gauge(
        "hactl_sync_daemon",
        "Whether the connection-sync daemon runs.",
        [
            ({"host": host, "role": role}, role in sync)
            for host, sync in sync_by_host.items()
            for role in ("master", "backup")
        ],
    )


def _server_metrics(status: Status) -> Iterator[Metric]:
    services = [
        (
            {"frontend": frontend.name, "service": item.selector, "director": item.director},
            item,
        )
        for frontend in status.frontends
        for item in frontend.services
    ]
    servers = [
        ({**labels, "server": server.name, "address": server.address}, server)
        for labels, service in services
        for server in service.servers
    ]
    yield _gauge(
        "hactl_service_present",
        "Whether the service is in the holder's table.",
        [(labels, service.present) for labels, service in services],
    )
    yield _gauge(
        "hactl_real_server_up",
        "Whether the real server is in the table and passes its checks.",
        [
            (labels, server.state in ("up", "drained"))
            for labels, server in servers
            if server.intended is not None
        ],
    )
    in_table = [(labels, server) for labels, server in servers if server.weight is not None]
    for name, text, field, known in (
        ("weight", "The live weight.", "weight", in_table),
        ("intended_weight", "The weight in the inventory.", "intended", servers),
        ("active_connections", "The active connections.", "active", in_table),
        ("inactive_connections", "The inactive connections.", "inactive", in_table),
    ):
        figures = [(labels, getattr(server, field)) for labels, server in known]
        yield _gauge(f"hactl_real_server_{name}", text, figures)
