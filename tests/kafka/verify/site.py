"""One real broker with users, topics and rights as an inventory wants them, for `hactl kafka verify` to ask."""

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
from provision.kafka.raw_client import Address, dial
from provision.kafka.resources.apply import carry_out
from provision.kafka.resources.desired import desired
from provision.kafka.resources.observe import observe
from provision.kafka.resources.plan import Deed, plan
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
class Asked:
    """A broker that runs, its inventory, and a login as its admin."""

    broker: Broker
    project: Project
    admin: Login
    notes: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> KafkaCluster:
        """The inventory's cluster."""
        found = self.project.topology.kafka
        assert found
        return found

    @property
    def address(self) -> Address:
        """Where the broker is, and what it advertises."""
        return self.admin.bootstrap[0]

    def site(self, cluster: KafkaCluster | None = None) -> VerifyEnvironment:
        """What is asked; by default by the inventory that the broker runs with."""
        return VerifyEnvironment(
            cluster or self.cluster, self.admin, lambda address: dial(Login((address,)))
        )

    def verify(self, cluster: KafkaCluster | None = None) -> KafkaVerification:
        """A whole run."""
        return run(self.site(cluster), self.notes.append)

    def apply(self) -> None:
        """Make what the inventory wants, as `hactl kafka apply` does."""
        passwords = {name: user.password for name, user in self.cluster.model.users.items()}
        wanted = desired(self.cluster)
        steps = plan(wanted, observe(self.admin, wanted, passwords), prune=True).steps
        assert carry_out(self.admin, steps, passwords).whole

    def do(self, *deeds: Deed, passwords: Mapping[str, str] | None = None) -> None:
        """Change the cluster behind the inventory's back."""
        from provision.kafka.resources.requests import perform

        with connected(self.admin) as admin:
            for deed in deeds:
                perform(admin, deed, passwords or {})


def changed(cluster: KafkaCluster, **fields: object) -> KafkaCluster:
    """The cluster of an inventory that says something else."""
    return replace(cluster, model=cluster.model.model_copy(update=fields))


def failed(found: KafkaVerification) -> list[tuple[str, str, str]]:
    """What failed: the check's id, its user, the word that was seen."""
    return [(each.check.id, each.check.user, each.seen) for each in found.results if not each.ok]


def of(found: KafkaVerification, id_: str, user: str = "") -> list[Result]:
    """The results of one kind of check."""
    return [each for each in found.results if (each.check.id, each.check.user) == (id_, user)]


def _set(path: Path, more: Mapping[str, str]) -> None:
    """Add to lists in a file of properties, and set what is not there."""
    before = read(path.read_bytes(), path.name).plain()
    after = {
        key: f"{before[key]},{value}" if key in before else value for key, value in more.items()
    }
    path.write_bytes(write({**before, **after}))


def prepared(
    folder: Path, version: str, more: Mapping[str, str] | None = None, **kafka: object
) -> Broker:
    """A broker with its files, which does not run yet; `more` is added to its own server.properties."""
    first = {name: {"password": password} for name, password in FIRST.items()}
    made = build(folder, version, **{"users": {**first, **USERS}, "topics": TOPICS, **kafka})
    made.write()
    _set(
        folder / "etc" / "server.properties",
        {"group.initial.rebalance.delay.ms": "0", **(more or {})},
    )
    return made


def found(made: Broker) -> Asked:
    """A broker, its inventory, and a login as its admin."""
    tls = ssl.create_default_context(cafile=str(made.folder / "etc" / "ca.pem"))
    admin = Login(
        (("127.0.0.1", made.port),), "SASL_SSL", "SCRAM-SHA-512", "admin", FIRST["admin"], tls
    )
    return Asked(made, load(made.folder / "inventory.yml"), admin)


@contextmanager
def serving(made: Broker) -> Iterator[Asked]:
    """The broker serves, with all that its inventory wants."""
    with started(made):
        one = found(made)
        one.apply()
        yield one
