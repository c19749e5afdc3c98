"""Kafka's own client with the VIP, the CA and a password only."""

from __future__ import annotations

import pytest
from kafka_client import Client, new_client
from pool import wait_until_complete
from testinfra.host import Host

TOPIC = "molecule"


@pytest.fixture(scope="session")
def kafka(pytestconfig: pytest.Config, directors: list[Host], vip: str) -> Client:
    """The client, and a topic with a replica on each broker."""
    wait_until_complete(directors, vip)
    client = new_client(pytestconfig, vip)
    options = f"--bootstrap-server {client.vip} --command-config /root/admin.properties"
    topic = f"--create --topic {TOPIC} --partitions 3 --replication-factor 3"
    done = client.tool(f"TopicCommand {options} {topic}")
    assert f"Created topic {TOPIC}." in done.stdout, done.stdout + done.stderr
    return client


def test_produced_records_are_consumed(kafka: Client) -> None:
    # The tool compares each received record with the sent record, and fails on a difference.
    done = kafka.tool(f"EndToEndLatency {kafka.vip} {TOPIC} 20 all 100 /root/admin.properties")
    assert done.rc == 0, done.stdout + done.stderr
    assert "Avg latency" in done.stdout


def test_a_user_without_rights_sees_no_topic(kafka: Client) -> None:
    listing = (
        f"TopicCommand --bootstrap-server {kafka.vip} --list --command-config /root/%s.properties"
    )
    assert TOPIC in kafka.tool(listing % "admin").stdout.split()
    done = kafka.tool(listing % "check")
    assert done.rc == 0, done.stderr
    assert done.stdout.split() == []


def test_a_wrong_password_is_refused(kafka: Client) -> None:
    wrong = kafka.log_in_as("nobody", "wrong")
    refused = kafka.tool(
        f"TopicCommand --bootstrap-server {kafka.vip} --command-config {wrong} --list"
    )
    assert refused.rc != 0
    assert "invalid credentials with SASL mechanism SCRAM-SHA-512" in refused.stdout
