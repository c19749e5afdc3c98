"""An inventory with a Kafka cluster, for tests without a broker or with brokers of their own."""

from __future__ import annotations

from pathlib import Path

import yaml

from provision.deploy.project import Project, load
from tests.kafka.authority import deployed

USERS = {
    "admin": {"password": "4dm-i]n$'=#"},
    "orders": {
        "password": "0rd;e'rs=",
        "acls": [
            {"role": "producer", "topics": "orders"},
            {"role": "consumer", "topics": ["orders", "audit-*"], "groups": "billing"},
        ],
    },
    "audit": {
        "password": "4udit",
        "acls": [{"role": "consumer", "topics": "audit-log", "groups": "audit-*"}],
    },
    "check": {"password": "pr0be"},
}
TOPICS = {
    "orders": {"partitions": 2},
    "audit-log": {"partitions": 1, "config": {"cleanup.policy": "compact"}},
    "payments": {"partitions": 1},
}


def project(folder: Path, **kafka: object) -> Project:
    """Return a project with three brokers behind a VIP; `kafka` extends the variable `kafka`."""
    service = {
        "port": 9092,
        "protocol": "tcp",
        "scheduler": "rr",
        "forward": "dr",
        "real_servers": "brokers",
    }
    frontend = {
        "name": "kafka",
        "vips": ["192.0.2.10"],
        "directors": "directors",
        "vrrp": {"virtual_router_id": 1},
        "services": [{**service, "check": {"type": "kafka", "login": "check"}}],
    }
    variable = {
        "version": "3.9.1",
        "brokers": "brokers",
        "users": USERS,
        "topics": TOPICS,
        "tls": "generated",
        "distribution": {"jars": "/jars"},
        **kafka,
    }
    children = {
        "directors": {"hosts": {"lvs1": {"ansible_host": "192.0.2.1"}}},
        "brokers": {
            "hosts": {
                f"kafka{n}": {"ansible_host": f"192.0.2.{n + 10}", "kafka_id": n} for n in (1, 2, 3)
            }
        },
        "clients": {"hosts": {"client": {"ansible_host": "192.0.2.100"}}},
    }
    if "zookeeper" in variable:
        children["ensemble"] = {"hosts": {"zk1": {"ansible_host": "192.0.2.21", "zookeeper_id": 1}}}
    path = folder / "inventory.yml"
    path.write_text(
        yaml.safe_dump(
            {"all": {"vars": {"frontends": [frontend], "kafka": variable}, "children": children}},
            sort_keys=False,
        )
    )
    return deployed(load(path))
