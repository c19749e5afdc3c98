"""The variable `kafka`: mistakes and their messages, nodes, and the files of a node."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provision.core.errors import InputError
from provision.core.facts import Facts
from provision.desired.host_variables import host_variables
from provision.desired.items import DesiredHost, File
from provision.desired.render import render_host
from provision.formats.certificates import make
from provision.formats.properties import read
from provision.inventory.hosts import Inventory
from provision.inventory.topology import Topology, build
from tests.inventory.building import frontend, inventory, service

USERS = {"admin": {"password": "4dmin#"}, "check": {"password": "pr0be"}}
KAFKA: Mapping[str, Any] = {
    "version": "3.9.1",
    "brokers": "brokers",
    "users": USERS,
    "distribution": {"jars": "/opt/kafka-jars"},
}
ENSEMBLE = {"hosts": "brokers", "password": "d1gest", "quorum_password": "qu0rum"}
HOSTS: Mapping[str, Mapping[str, Any]] = {
    "lvs1": {"ansible_host": "192.168.227.101"},
    "lvs2": {"ansible_host": "192.168.227.102"},
    **{
        f"kafka{number}": {
            "ansible_host": f"192.168.227.{110 + number}",
            "kafka_id": number,
            "zookeeper_id": number,
        }
        for number in (1, 2, 3)
    },
    "control": {"ansible_host": "192.168.227.120", "kafka_id": 9},
}
GROUPS = {
    "directors": ("lvs1", "lvs2"),
    "brokers": ("kafka1", "kafka2", "kafka3"),
    "clients": ("control",),
}


def site(hosts: Mapping[str, Mapping[str, Any]] | None = None, **kafka: Any) -> Inventory:
    """Three brokers behind the usual VIP, with changes to `kafka` (None removes a field) and to
    hosts."""
    variables = {name: value for name, value in {**KAFKA, **kafka}.items() if value is not None}
    changed_hosts = {name: {**old, **(hosts or {}).get(name, {})} for name, old in HOSTS.items()}
    broker_service = service(
        port=9092, real_servers="brokers", check={"type": "kafka", "login": "check", "timeout": 3}
    )
    return inventory([frontend(services=[broker_service])], changed_hosts, GROUPS, kafka=variables)


def refused(hosts: Mapping[str, Mapping[str, Any]] | None = None, **kafka: Any) -> list[str]:
    """The problems of `site(…)`: rule and message."""
    with pytest.raises(InputError) as caught:
        build(site(hosts, **kafka))
    return [f"{problem.rule}: {problem.what}" for problem in caught.value.problems]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"version": "2.8.1"}, "kafka-version: Kafka 2.8.1 is not known"),
    (
        {"version": "4.1.0", "mode": "zookeeper", "zookeeper": ENSEMBLE},
        "kafka-version: Kafka 4.1.0 has no ZooKeeper mode",
    ),
    ({"mode": "zookeeper"}, "kafka-mode: `zookeeper` belongs to `mode: zookeeper`, and only there"),
    (
        {"zookeeper": ENSEMBLE},
        "kafka-mode: `zookeeper` belongs to `mode: zookeeper`, and only there",
    ),
    (
        {"mode": "zookeeper", "zookeeper": ENSEMBLE, "controllers": "control"},
        "kafka-mode: in ZooKeeper mode there are neither `controllers` nor a `cluster_id`",
    ),
    ({"admin": "root"}, "kafka-admin: `users` has no `root`"),
    ({"super_users": ["root"]}, "kafka-admin: `users` has no `root`"),
    ({"distribution": {}}, "kafka-distribution: `distribution` needs either `archive` or `jars`"),
    (
        {"distribution": {"archive": "/k.tgz"}},
        "kafka-distribution: `distribution`: `archive` and `sha512` go together",
    ),
    ({"brokers": "broker"}, "unknown-group: there is no group or host `broker`"),
    (
        {"properties": {"log.retention.hour": 1}},
        "kafka-property-unknown: Kafka 3.9.1 has no property `log.retention.hour`",
    ),
    (
        {"properties": {"num.partitions": 0}},
        "kafka-property-value: `num.partitions` must be at least 1",
    ),
    (
        {"properties": {"listeners": "PLAINTEXT://:1"}},
        "kafka-property-owned: hactl sets `listeners` itself",
    ),
    (
        {"properties": {"listener.name.x.sasl.jaas.config": "…"}},
        "kafka-property-owned: hactl sets `listener.name.x.sasl.jaas.config` itself",
    ),
    (
        {"users": {"admin": {"password": "x"}}},
        "kafka-check: `login: check` is not a user of the cluster",
    ),
    ({"hosts": {"kafka2": {"kafka_id": 1}}}, "kafka-id-twice: kafka1 has `kafka_id` 1, too"),
    ({"hosts": {"kafka2": {"kafka_id": None}}}, "kafka-id-missing: kafka2 has no `kafka_id`"),
    ({"heap": "1G"}, "wrong-value: `heap` has a wrong format"),
]


@pytest.mark.parametrize(
    ("changes", "message"), MISTAKES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_mistake_has_a_rule_and_a_plain_message(changes: dict[str, Any], message: str) -> None:
    assert message in refused(**changes)


@pytest.mark.parametrize("password", ["q q", 'q"q', "q\\q", "q,q", "ä", "", "x" * 257, "${HOME}"])
def test_passwords_with_ambiguous_characters_are_refused_and_not_shown(password: str) -> None:
    (problem,) = refused(users={**USERS, "admin": {"password": password}})
    assert problem.startswith("kafka-password: ")
    assert not password or password not in problem


def test_hosts_that_disagree_about_the_cluster_are_refused() -> None:
    assert refused({"kafka3": {"kafka": {**KAFKA, "port": 1}}}) == [
        "kafka-differs: `kafka` is not the same on all hosts"
    ]


def test_the_id_of_a_cluster_follows_from_its_name_alone() -> None:
    def cluster_id(**kafka: Any) -> str:
        cluster = build(site(**kafka)).kafka
        assert cluster is not None
        return cluster.cluster_id

    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", cluster_id())
    assert cluster_id() == cluster_id(version="4.1.0", controllers="kafka1", port=None)
    assert cluster_id() != cluster_id(name="other")
    assert cluster_id(cluster_id="MkU3OEVBNTcwNTJENDM2Qk") == "MkU3OEVBNTcwNTJENDM2Qk"


def test_roles_are_in_the_order_of_their_dependencies() -> None:
    zookeeper: Topology = build(site(mode="zookeeper", zookeeper=ENSEMBLE))
    assert zookeeper.roles_of("kafka1") == ("real_server", "firewall", "zookeeper", "kafka")
    assert zookeeper.roles_of("lvs1")[0] == "kafka_check", "before keepalived, which runs it"
    assert build(site(controllers="control")).roles_of("control") == ("kafka", "firewall")


def rendered(host: str, **kafka: Any) -> DesiredHost:
    site_inventory = site(**kafka)
    return render_host(build(site_inventory), site_inventory, host, Facts(default_interface="eth0"))


def settings(host: str, **kafka: Any) -> Mapping[str, str]:
    """server.properties as Java reads it."""
    item = rendered(host, **kafka).get("file", "/etc/kafka/server.properties")
    assert isinstance(item, File)
    return read(item.content, item.name).plain()


def test_a_broker_takes_packets_to_the_vip_and_advertises_itself() -> None:
    properties = settings("kafka2", version="4.1.0")
    assert properties["listeners"] == "SASL_PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093"
    assert properties["advertised.listeners"] == "SASL_PLAINTEXT://192.168.227.112:9092"
    assert properties["controller.quorum.voters"].split(",")[1] == "2@192.168.227.112:9093"
    assert (properties["process.roles"], properties["node.id"]) == ("broker,controller", "2")


def test_a_second_super_user_is_known_to_brokers_and_controllers_alike() -> None:
    users = {**USERS, "second": {"password": "s3cond"}}
    properties = settings("kafka2", users=users, super_users="second")
    assert properties["super.users"] == "User:admin;User:second"
    login = properties["listener.name.controller.plain.sasl.jaas.config"]
    assert (
        'username="admin"' in login
        and 'user_second="s3cond"' in login
        and "user_check" not in login
    )
    after = settings("kafka2", users=users, admin="second", super_users="admin")
    assert after["super.users"] == "User:second;User:admin"
    login = after["listener.name.controller.plain.sasl.jaas.config"]
    assert (
        'username="second" password="s3cond"' in login
        and f'user_admin="{USERS["admin"]["password"]}"' in login
    )


def test_a_controller_alone_has_no_listener_for_clients() -> None:
    properties = settings("control", controllers="control")
    assert (properties["process.roles"], properties["listeners"]) == (
        "controller",
        "CONTROLLER://0.0.0.0:9093",
    )
    assert "advertised.listeners" not in properties
    assert settings("kafka1", controllers="control")["process.roles"] == "broker"


def test_replication_follows_from_the_number_of_brokers_and_properties_override_it() -> None:
    properties = settings("kafka1")
    assert (properties["default.replication.factor"], properties["min.insync.replicas"]) == (
        "3",
        "2",
    )
    assert settings("kafka1", properties={"min.insync.replicas": 1})["min.insync.replicas"] == "1"


def test_in_zookeeper_mode_the_ensemble_demands_the_brokers_login() -> None:
    desired = rendered("kafka1", mode="zookeeper", zookeeper=ENSEMBLE)
    texts = {item.name: item.content.decode() for item in desired.items if isinstance(item, File)}
    assert (
        "zookeeper.connect=192.168.227.111:2181,192.168.227.112:2181,192.168.227.113:2181\n"
        in texts["/etc/kafka/server.properties"]
    )
    zoo = read(texts["/etc/hactl/zookeeper/zoo.cfg"].encode(), "zoo.cfg").plain()
    assert zoo["sessionRequireClientSASLAuth"] == zoo["quorum.auth.enableSasl"] == "true"
    assert zoo["server.3"] == "192.168.227.113:2888:3888"
    assert texts["/etc/hactl/zookeeper/myid"] == "1\n"
    assert 'user_kafka="d1gest"' in texts["/etc/hactl/zookeeper/jaas.conf"]
    assert texts["/etc/kafka/scram-check"] == "SCRAM-SHA-512=iterations=4096,password=pr0be\n"


def test_every_file_with_a_password_or_key_is_secret_and_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    authority = make("kafka")
    secrets = [*(user["password"] for user in USERS.values()), "d1gest", "qu0rum", "PRIVATE KEY"]
    closed = set()
    for mode in ({}, {"mode": "zookeeper", "zookeeper": ENSEMBLE}):
        for host in ("lvs1", "kafka1"):
            for item in rendered(
                host, tls={"ca": authority.trusted, "key": authority.key}, **mode
            ).items:
                if isinstance(item, File) and any(
                    secret in item.content.decode() for secret in secrets
                ):
                    assert (item.mode, item.secret) == ("0640", True), item.name
                    closed.add(item.name)
    names = ("server.properties", "format", "node.pem", "jaas.conf", "scram-admin", "scram-check")
    others = {"/etc/hactl/kafka-ready.json", "/etc/hactl/zookeeper/jaas.conf"}
    assert closed == {*(f"/etc/kafka/{name}" for name in names), *others}


@pytest.mark.parametrize(
    "mode", [{}, {"mode": "zookeeper", "zookeeper": ENSEMBLE}], ids=["kraft", "zookeeper"]
)
def test_a_new_user_restarts_no_broker(mode: dict[str, Any]) -> None:
    more = {**USERS, "orders": {"password": "0rders"}}
    assert rendered("kafka1", users=more, **mode) == rendered("kafka1", **mode)


def test_a_new_password_of_a_first_user_restarts_no_broker() -> None:
    first = {item.name: item.unit for item in rendered("kafka1").items if isinstance(item, File)}
    assert (first["/etc/kafka/format"], first["/etc/kafka/server.properties"]) == (
        "",
        "kafka.service",
    )


def test_the_unit_and_its_script_hold_no_secret() -> None:
    unit = rendered("kafka1").get("file", "/etc/systemd/system/kafka.service")
    run = rendered("kafka1").get("file", "/usr/local/lib/hactl/kafka-run")
    assert isinstance(unit, File)
    assert isinstance(run, File)
    for text in (unit.content.decode(), run.content.decode()):
        assert not any(user["password"] in text for user in USERS.values())
    assert "LoadCredential=format:/etc/kafka/format\n" in unit.content.decode()


def test_a_director_checks_every_broker_behind_it() -> None:
    item = rendered("lvs2").get("file", "/etc/hactl/kafka-ready.json")
    assert isinstance(item, File)
    checks = json.loads(item.content)
    assert [entry["id"] for entry in checks.values()] == [1, 2, 3]
    assert checks["kafka3"] == {
        "address": "192.168.227.113",
        "port": 9092,
        "name": "192.168.227.113",
        "id": 3,
        "ca": "",
        "user": "check",
        "password": "pr0be",
        "mechanism": "SCRAM-SHA-512",
        "timeout": 3,
        "interval": 5,
    }


def test_a_missing_certificate_is_reported_with_its_path() -> None:
    with pytest.raises(InputError) as caught:
        rendered("kafka1", tls="nowhere")
    assert "kafka-certificate" in str(caught.value)
    assert "nowhere/ca.pem" in str(caught.value)


def test_the_firewall_lets_in_what_the_cluster_needs() -> None:
    openings = host_variables(build(site(controllers="control")), "control", Facts())[
        "firewall_openings"
    ]
    assert [(opening.protocol, opening.port, opening.destination) for opening in openings] == [
        ("tcp", 9093, "192.168.227.120")
    ]
