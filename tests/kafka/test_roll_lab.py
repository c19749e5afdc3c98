"""Rolls of three brokers on a whole lab, under load through the VIP, without failures and losses.

There is one lab; a test leaves it unchanged.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator

import pytest

from provision.deploy.project import load
from provision.hosts.sessions import Sessions
from provision.kafka.admin import ask
from provision.kafka.client_file import Login
from provision.kafka.replicas.fetch import look
from provision.kafka.replicas.problems import troubles
from provision.kafka.ssh_tunnel import administrator, client
from tests import REPOSITORY
from tests.e2e.site import Site, Terminal, patiently
from tests.kafka.stream import Stream, consumed

pytestmark = [
    pytest.mark.proof,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="the lab needs root"),
]

NAME = "roll"
SHIPPED = REPOSITORY / "inventories/kafka.yml"
BROKERS, DIRECTORS = ("kafka1", "kafka2", "kafka3"), ("lvs1", "lvs2")
TOPIC = "rolled"


def inventory(*edits: tuple[str, str]) -> str:
    """Return the example inventory with edits, for a lab of its own."""
    text = SHIPPED.read_text().replace("/run/hactl/lab/kafka/", f"/run/hactl/lab/{NAME}/")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(NAME, tmp_path_factory.mktemp(NAME))
    site.hosts = (*DIRECTORS, *BROKERS, "client")
    site.inventory.write_text(inventory())
    for name in re.findall(r"!env (\w+)", inventory()):
        os.environ[name] = secrets.token_hex(12)
    site.lab("down")
    try:
        site.lab("up")
        site.deploy()
        create(site)
        yield site
    finally:
        for host in site.hosts:
            site.forget(host)
        site.lab("down")


def create(site: Site) -> None:
    """Create the topic for the load: three replicas, of which two must be in sync."""
    from kafka.admin import NewTopic

    settings = {"min.insync.replicas": "2"}
    with sessions(site) as logins, administrator(load(site.inventory), logins.of) as login:
        ask(
            login,
            lambda admin: admin.create_topics([NewTopic(TOPIC, 6, 3, topic_configs=settings)]),
        )


def sessions(site: Site) -> Sessions:
    return Sessions(load(site.inventory).targets((*BROKERS, "client"), lab=True))


@contextlib.contextmanager
def login_through_the_vip(site: Site) -> Iterator[Login]:
    """Log in on the client's host; as the administrator, so that the test needs no ACLs."""
    with (
        sessions(site) as logins,
        client(load(site.inventory), logins.of, user="admin", lab=True) as login,
    ):
        yield login


@contextlib.contextmanager
def load_through_the_vip(site: Site) -> Iterator[Stream]:
    """Send records; afterwards every record was acknowledged and is in the topic once."""
    with login_through_the_vip(site) as login:
        before = consumed(login, TOPIC)
        with Stream(login, TOPIC) as stream:
            yield stream
        counts = consumed(login, TOPIC)
        counts.subtract(before)
        gap = f"longest gap between acknowledgements {stream.longest_gap:.2f} s"
        print(f"{stream.sent} records, {gap}")
        assert stream.failed == {}
        assert len(stream.acknowledged) == stream.sent > 100
        assert +counts == dict.fromkeys(range(stream.sent), 1), "lost or duplicated"


def processes(site: Site) -> dict[str, str]:
    """Return the brokers' processes by host."""
    return {
        host: site.ssh(host, "systemctl show -p InvocationID --value kafka") for host in BROKERS
    }


def restarted(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [host for host in BROKERS if before[host] != after[host]]


def assert_no_traces_of_a_roll(site: Site) -> None:
    """No broker is drained, no marker and no lock is left, all replicas are in sync."""
    for director in DIRECTORS:
        drained = site.ssh(director, "cat /var/lib/hactl/drain/kafka? 2>/dev/null || :").split()
        assert set(drained) <= {"0"}, drained
    for host in BROKERS:
        assert site.ssh(host, "ls /var/lib/hactl/kafka-roll /run/hactl/lock 2>/dev/null || :") == ""
    with sessions(site) as logins, administrator(load(site.inventory), logins.of) as login:
        assert troubles(ask(login, look)) == ()


def test_three_brokers_are_rolled_under_load(site: Site) -> None:
    before = processes(site)
    with load_through_the_vip(site):
        result = site.hactl("kafka", "roll", "--yes", "--json")
    print(result.err)
    assert result.code == 0, result
    assert (result.json["ok"], result.json["resumed"]) == (True, None)
    assert [node["outcome"] for node in result.json["nodes"]] == ["rolled"] * 3
    assert restarted(before, processes(site)) == list(BROKERS)
    assert_no_traces_of_a_roll(site)


def test_after_a_killed_controller_the_cluster_serves_and_the_next_run_resumes(
    site: Site,
) -> None:
    before = processes(site)
    with load_through_the_vip(site):
        terminal = Terminal("kafka", "roll", "--yes", str(site.inventory))
        terminal.until(r"kafka\d: restarting")
        first = re.findall(r"(kafka\d): restarting", terminal.shown)[0]
        terminal.kill()
        for _ in patiently(60):
            if restarted(before, interrupted := processes(site)):
                break
        assert restarted(before, interrupted) == [first], "systemd completes the restart"
        assert any(
            "/kafka-roll" in site.ssh(director, f"cat /var/lib/hactl/drain/{first}")
            for director in DIRECTORS
        )
        result = site.hactl("kafka", "roll", "--yes", "--json")
        assert result.code == 0, result
    after = processes(site)
    assert "(kafka roll)" in result.json["resumed"]["who"]
    assert restarted(before, after) == list(BROKERS)
    assert after[first] == interrupted[first], "restarted twice"
    assert_no_traces_of_a_roll(site)


def test_after_ctrl_c_every_node_has_its_result_and_a_limit_holds(site: Site) -> None:
    before = processes(site)
    terminal = Terminal("kafka", "roll", "--yes", "--limit", "kafka2,kafka3", str(site.inventory))
    terminal.until(r"kafka\d: restarting")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert re.search(
        r"kafka\d +stopped .*\n +it does not serve again: interrupted; it stays drained",
        terminal.shown,
    )
    assert re.search(r"kafka1 +untouched", terminal.shown)
    result = site.hactl("kafka", "roll", "--yes", "--json", "--limit", "kafka2,kafka3")
    assert result.code == 0, result
    assert restarted(before, processes(site)) == ["kafka2", "kafka3"]
    assert_no_traces_of_a_roll(site)


def test_a_second_roll_at_the_same_time_is_refused(site: Site) -> None:
    terminal = Terminal("kafka", "roll", str(site.inventory))
    terminal.until(r"Restart them\? \[y/N\]")
    second = site.hactl("kafka", "roll", "--yes")
    assert second.code == 5 and "locked by" in second.err and "(kafka roll)" in second.err, second
    terminal.type("n\n")
    assert terminal.end() == 64
    assert_no_traces_of_a_roll(site)


def test_a_broker_that_does_not_start_ends_the_roll_and_stays_drained(site: Site) -> None:
    broken = "/run/systemd/system/kafka.service.d"
    break_start = (
        f"mkdir -p {broken}; "
        f"printf '[Service]\\nExecStartPre=/bin/false\\n' >{broken}/x.conf; "
        "systemctl daemon-reload"
    )
    for host in BROKERS:
        site.ssh(host, break_start)
    before = processes(site)
    result = site.hactl("kafka", "roll", "--yes", "--json")
    assert result.code == 1, result
    (stopped,) = [node for node in result.json["nodes"] if node["outcome"] == "stopped"]
    assert (
        "restart kafka.service failed" in stopped["message"]
        and "it stays drained" in stopped["message"]
    )
    assert sorted(node["outcome"] for node in result.json["nodes"]) == [
        "stopped",
        "untouched",
        "untouched",
    ]
    others = ",".join({*BROKERS} - {stopped["host"]})
    refusal = site.hactl("kafka", "roll", "--yes", "--json", "--limit", others)
    assert (
        refusal.code == 1 and f"kafka.service does not run on {stopped['host']}" in refusal.out
    ), refusal
    for host in BROKERS:
        site.ssh(host, f"rm -r {broken}; systemctl daemon-reload")
    with load_through_the_vip(site):
        result = site.hactl("kafka", "roll", "--yes", "--json")
        assert result.code == 0, result
    assert restarted(before, processes(site)) == list(BROKERS)
    assert_no_traces_of_a_roll(site)


def test_a_deploy_restarts_the_brokers_one_at_a_time(site: Site) -> None:
    before = processes(site)
    site.inventory.write_text(inventory(("num.partitions: 3\n", "num.partitions: 4\n")))
    with load_through_the_vip(site):
        result = site.hactl("deploy", "--yes", "--json")
    assert result.code == 0, result
    steps = re.findall(r"(kafka\d): (applying|changed)", result.err)
    assert [word for _, word in steps] == ["applying", "changed"] * 3, steps
    assert {host: result.json["hosts"][host]["execs"] for host in BROKERS} == dict.fromkeys(
        BROKERS, 2
    )
    assert restarted(before, processes(site)) == list(BROKERS)
    site.inventory.write_text(inventory())
    site.deploy()
    site.assert_in_step()
    assert_no_traces_of_a_roll(site)


def test_a_deploy_changes_the_user_of_a_check_but_refuses_to_change_its_password(
    site: Site,
) -> None:
    name = "check: {password: !env HACTL_KAFKA_CHECK}"
    site.inventory.write_text(inventory((name, "check: {password: an0ther}")))
    refusal = site.hactl("deploy", "--yes")
    assert refusal.code == 1, refusal
    assert "as check: every director would remove all brokers" in refusal.err
    assert "Nothing was changed on any host." in refusal.err
    before, other = processes(site), ("login: check", "login: check2")
    site.inventory.write_text(
        inventory((name, f"{name}\n        check2: {{password: an0ther}}"), other)
    )
    with load_through_the_vip(site):
        result = site.hactl("deploy", "--yes", "--json")
        assert result.code == 0, result
        assert "created user check2 first" in result.err
        time.sleep(10)  # until then a refused check removes its broker
        for director in DIRECTORS:
            table = site.ssh(director, "ipvsadm -Ln")
            assert len(re.findall(r":9092 +Route +1 ", table)) == len(BROKERS), table
    assert restarted(before, processes(site)) == []
    site.inventory.write_text(inventory())
    site.deploy()
    assert_no_traces_of_a_roll(site)


def test_three_deploys_change_the_admin_and_no_record_fails(site: Site) -> None:
    """This is the last test: the cluster has another admin afterwards."""
    name = "admin: {password: !env HACTL_KAFKA_ADMIN}"
    both = (name, f"{name}\n        second: {{password: s3cond}}")
    site.inventory.write_text(inventory((name, "admin: {password: an0ther}")))
    refusal = site.hactl("deploy", "--yes")
    assert refusal.code == 4 and "change to a second admin" in refusal.err, refusal
    site.inventory.write_text(inventory())
    with load_through_the_vip(site):
        for change in ("super_users: [second]", "admin: second\n      super_users: [admin]"):
            site.inventory.write_text(
                inventory(both, ("heap: 320m", f"heap: 320m\n      {change}"))
            )
            result = site.hactl("deploy", "--yes", "--json")
            assert result.code == 0, result
    site.inventory.write_text(
        inventory(
            (name, "second: {password: s3cond}"), ("heap: 320m", "heap: 320m\n      admin: second")
        )
    )
    assert site.hactl("deploy", "--yes", "--json").code == 0
    site.assert_in_step()
    assert_no_traces_of_a_roll(site)
    pruned = site.hactl("kafka", "apply", "--prune", "--yes", "--json")
    assert pruned.code == 0 and ("user", "admin", "done") in {
        (step["kind"], step["name"], step["became"]) for step in pruned.json["resources"]
    }, pruned
