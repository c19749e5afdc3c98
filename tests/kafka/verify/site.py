"""A real broker with an inventory's users, topics and ACLs, for tests of `hactl kafka verify`."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from provision.deploy.project import Project, load
from provision.formats.properties import read, write
from provision.inventory.kafka import KafkaCluster
from provision.kafka.admin import connected
from provision.kafka.client_file import Login
from provision.kafka.raw_client import Address, connect
from provision.kafka.resources.apply import carry_out
from provision.kafka.resources.desired import desired
from provision.kafka.resources.observe import observe
from provision.kafka.resources.plan import Operation, plan
from provision.kafka.verify.model import KafkaVerification, Result
from provision.kafka.verify.refusals import VerifyEnvironment
from provision.kafka.verify.run import run
from tests.kafka.cluster import USERS as FIRST
from tests.kafka.cluster import Broker, build, started

USERS = {
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
}
TOPICS = {
    "orders": {"partitions": 2, "replicas": 1},
    "audit-log": {"partitions": 1, "replicas": 1, "config": {"cleanup.policy": "compact"}},
    "payments": {"partitions": 1, "replicas": 1},
}


@dataclass
class RunningBroker:
    """A broker, its inventory, and a login as its admin."""

    broker: Broker
    project: Project
    admin: Login
    notes: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> KafkaCluster:
        """The inventory's cluster."""
        cluster = self.project.topology.kafka
        assert cluster
        return cluster

    @property
    def address(self) -> Address:
        """The address of the broker, which it advertises."""
        return self.admin.bootstrap[0]

    def environment(self, cluster: KafkaCluster | None = None) -> VerifyEnvironment:
        """Return the environment of a run, by default with the broker's inventory."""
        return VerifyEnvironment(
            cluster or self.cluster, self.admin, lambda address: connect(Login((address,)))
        )

    def verify(self, cluster: KafkaCluster | None = None) -> KafkaVerification:
        """Run all checks."""
        return run(self.environment(cluster), self.notes.append)

    def apply(self) -> None:
        """Apply the inventory, as `hactl kafka apply` does."""
        passwords = {name: user.password for name, user in self.cluster.model.users.items()}
        target = desired(self.cluster)
        steps = plan(target, observe(self.admin, target, passwords), prune=True).steps
        assert carry_out(self.admin, steps, passwords).complete

    def do(self, *operations: Operation, passwords: Mapping[str, str] | None = None) -> None:
        """Change the cluster without the inventory."""
        from provision.kafka.resources.requests import perform

        with connected(self.admin) as admin:
            for operation in operations:
                perform(admin, operation, passwords or {})


def changed(cluster: KafkaCluster, **fields: object) -> KafkaCluster:
    """Return the cluster with other fields in its inventory."""
    return replace(cluster, model=cluster.model.model_copy(update=fields))


def failed(verification: KafkaVerification) -> list[tuple[str, str, str]]:
    """Return the failures: the check's id, its user, the answer."""
    return [
        (result.check.id, result.check.user, result.answer)
        for result in verification.results
        if not result.ok
    ]


def results_of(verification: KafkaVerification, id_: str, user: str = "") -> list[Result]:
    """Return the results of a user's checks of this kind."""
    return [
        result
        for result in verification.results
        if (result.check.id, result.check.user) == (id_, user)
    ]


def _extend_properties(path: Path, more: Mapping[str, str]) -> None:
    """Append to the lists in a properties file, and set the keys that are missing."""
    before = read(path.read_bytes(), path.name).plain()
    after = {
        key: f"{before[key]},{value}" if key in before else value for key, value in more.items()
    }
    path.write_bytes(write({**before, **after}))


def prepared(
    folder: Path, version: str, more: Mapping[str, str] | None = None, **kafka: object
) -> Broker:
    """Return a broker with its files, before its start; `more` extends its server.properties."""
    first = {name: {"password": password} for name, password in FIRST.items()}
    broker = build(folder, version, **{"users": {**first, **USERS}, "topics": TOPICS, **kafka})
    broker.write()
    _extend_properties(
        folder / "etc" / "server.properties",
        {"group.initial.rebalance.delay.ms": "0", **(more or {})},
    )
    return broker


def running_broker(broker: Broker) -> RunningBroker:
    """Return a broker with its inventory and a login as its admin."""
    tls = ssl.create_default_context(cafile=str(broker.folder / "etc" / "ca.pem"))
    admin = Login(
        (("127.0.0.1", broker.port),), "SASL_SSL", "SCRAM-SHA-512", "admin", FIRST["admin"], tls
    )
    return RunningBroker(broker, load(broker.folder / "inventory.yml"), admin)


@contextmanager
def serving(broker: Broker) -> Iterator[RunningBroker]:
    """Start the broker, and apply its inventory."""
    with started(broker):
        running = running_broker(broker)
        running.apply()
        yield running
