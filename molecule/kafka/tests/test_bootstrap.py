"""What a client of Kafka's own gets to see: it knows the virtual address, the CA and a password, and nothing else."""

from __future__ import annotations

import pytest
from kafka_client import Client, new_client
from pool import until_whole
from testinfra.host import Host

TOPIC = "molecule"


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config, directors: list[Host], vip: str) -> Client:
    """The client, and a topic with a copy on each broker."""
    until_whole(directors, vip)
    client = new_client(pytestconfig, vip)
    words = f"--create --topic {TOPIC} --partitions 3 --replication-factor 3"
    made = client.tool(
        f"TopicCommand --bootstrap-server {client.vip} --command-config /root/admin.properties {words}"
    )
    assert f"Created topic {TOPIC}." in made.stdout, made.stdout + made.stderr
    return client


def test_what_is_produced_is_consumed(kafka: Client) -> None:
    # Compares each record that comes with the one it sent, and fails on the first that differs.
    done = kafka.tool(f"EndToEndLatency {kafka.vip} {TOPIC} 20 all 100 /root/admin.properties")
    assert done.rc == 0, done.stdout + done.stderr
    assert "Avg latency" in done.stdout


def test_whoever_has_no_rights_sees_no_topic(kafka: Client) -> None:
    listing = (
        f"TopicCommand --bootstrap-server {kafka.vip} --list --command-config /root/%s.properties"
    )
    assert TOPIC in kafka.tool(listing % "admin").stdout.split()
    seen = kafka.tool(listing % "check")
    assert seen.rc == 0, seen.stderr
    assert seen.stdout.split() == []


def test_a_wrong_password_is_refused(kafka: Client) -> None:
    wrong = kafka.log_in_as("nobody", "wrong")
    refused = kafka.tool(
        f"TopicCommand --bootstrap-server {kafka.vip} --command-config {wrong} --list"
    )
    assert refused.rc != 0
    assert "invalid credentials with SASL mechanism SCRAM-SHA-512" in refused.stdout
