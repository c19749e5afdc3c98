"""A roll of three brokers on a whole lab, under load through the VIP: nothing fails, nothing is lost, nothing is left.

One lab; each test leaves it as it found it.
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
    """The shipped one, in a lab of the test's own."""
    text = SHIPPED.read_text().replace("/run/hactl/lab/kafka/", f"/run/hactl/lab/{NAME}/")
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(NAME, tmp_path_factory.mktemp(NAME))
    made.hosts = (*DIRECTORS, *BROKERS, "client")
    made.inventory.write_text(inventory())
    for name in re.findall(r"!env (\w+)", inventory()):
        os.environ[name] = secrets.token_hex(12)
    made.lab("down")
    try:
        made.lab("up")
        made.deploy()
        create(made)
        yield made
    finally:
        for host in made.hosts:
            made.forget(host)
        made.lab("down")


def create(site: Site) -> None:
    """The topic that the load goes into: three copies, of which two must be in sync."""
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
def through_the_vip(site: Site) -> Iterator[Login]:
    """As a client on the client's host logs in; the administrator's rights spare the test ACLs."""
    with (
        sessions(site) as logins,
        client(load(site.inventory), logins.of, user="admin", lab=True) as login,
    ):
        yield login


@contextlib.contextmanager
def load_through_the_vip(site: Site) -> Iterator[Stream]:
    """Records all the time; afterwards each was acknowledged and is in the topic once."""
    with through_the_vip(site) as login:
        before = consumed(login, TOPIC)
        with Stream(login, TOPIC) as stream:
            yield stream
        found = consumed(login, TOPIC)
        found.subtract(before)
        print(
            f"{stream.sent} records, longest gap between acknowledgements {stream.longest_gap:.2f} s"
        )
        assert stream.failed == {}
        assert len(stream.acknowledged) == stream.sent > 100
        assert +found == dict.fromkeys(range(stream.sent), 1), "lost or doubled"


def processes(site: Site) -> dict[str, str]:
    """Which process each broker is."""
    return {
        host: site.ssh(host, "systemctl show -p InvocationID --value kafka") for host in BROKERS
    }


def renewed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [host for host in BROKERS if before[host] != after[host]]


def assert_as_if_nothing_had_been(site: Site) -> None:
    """Nobody is drained, no mark and no lock is left, all is in sync."""
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
        done = site.hactl("kafka", "roll", "--yes", "--json")
    print(done.err)
    assert done.code == 0, done
    assert (done.json["ok"], done.json["resumed"]) == (True, None)
    assert [node["outcome"] for node in done.json["nodes"]] == ["rolled"] * 3
    assert renewed(before, processes(site)) == list(BROKERS)
    assert_as_if_nothing_had_been(site)


def test_a_controller_that_is_killed_leaves_the_cluster_serving_and_the_next_run_goes_on(
    site: Site,
) -> None:
    before = processes(site)
    with load_through_the_vip(site):
        terminal = Terminal("kafka", "roll", "--yes", str(site.inventory))
        terminal.until(r"kafka\d: restarting")
        first = re.findall(r"(kafka\d): restarting", terminal.shown)[0]
        terminal.kill()
        for _ in patiently(60):
            if renewed(before, half := processes(site)):
                break
        assert renewed(before, half) == [first], "systemd ends what it was told"
        assert any(
            "/kafka-roll" in site.ssh(each, f"cat /var/lib/hactl/drain/{first}")
            for each in DIRECTORS
        )
        done = site.hactl("kafka", "roll", "--yes", "--json")
        assert done.code == 0, done
    after = processes(site)
    assert "(kafka roll)" in done.json["resumed"]["who"]
    assert renewed(before, after) == list(BROKERS)
    assert after[first] == half[first], "restarted twice"
    assert_as_if_nothing_had_been(site)


def test_ctrl_c_says_where_each_node_is_and_a_limit_is_kept(site: Site) -> None:
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
    done = site.hactl("kafka", "roll", "--yes", "--json", "--limit", "kafka2,kafka3")
    assert done.code == 0, done
    assert renewed(before, processes(site)) == ["kafka2", "kafka3"]
    assert_as_if_nothing_had_been(site)


def test_two_rolls_at_once_and_a_deploy_meanwhile_are_refused(site: Site) -> None:
    terminal = Terminal("kafka", "roll", str(site.inventory))
    terminal.until(r"Restart them\? \[y/N\]")
    second = site.hactl("kafka", "roll", "--yes")
    assert second.code == 5 and "locked by" in second.err and "(kafka roll)" in second.err, second
    terminal.type("n\n")
    assert terminal.end() == 64
    assert_as_if_nothing_had_been(site)


def test_a_broker_that_does_not_come_back_ends_the_roll_and_stays_drained(site: Site) -> None:
    broken = "/run/systemd/system/kafka.service.d"
    for host in BROKERS:
        site.ssh(host, f"mkdir -p {broken}; printf '[Service]\\nExecStartPre=/bin/false\\n' >{broken}/x.conf; "
                       "systemctl daemon-reload")  # fmt: skip
    before = processes(site)
    done = site.hactl("kafka", "roll", "--yes", "--json")
    assert done.code == 1, done
    (stopped,) = [node for node in done.json["nodes"] if node["outcome"] == "stopped"]
    assert (
        "restart kafka.service failed" in stopped["message"]
        and "it stays drained" in stopped["message"]
    )
    assert sorted(node["outcome"] for node in done.json["nodes"]) == [
        "stopped",
        "untouched",
        "untouched",
    ]
    refused = site.hactl("kafka", "roll", "--yes", "--json", "--limit",
                         ",".join({*BROKERS} - {stopped["host"]}))  # fmt: skip
    assert (
        refused.code == 1 and f"kafka.service does not run on {stopped['host']}" in refused.out
    ), refused
    for host in BROKERS:
        site.ssh(host, f"rm -r {broken}; systemctl daemon-reload")
    with load_through_the_vip(site):
        done = site.hactl("kafka", "roll", "--yes", "--json")
        assert done.code == 0, done
    assert renewed(before, processes(site)) == list(BROKERS)
    assert_as_if_nothing_had_been(site)


def test_a_deploy_takes_the_brokers_one_at_a_time(site: Site) -> None:
    before = processes(site)
    site.inventory.write_text(inventory(("num.partitions: 3\n", "num.partitions: 4\n")))
    with load_through_the_vip(site):
        done = site.hactl("deploy", "--yes", "--json")
    assert done.code == 0, done
    steps = re.findall(r"(kafka\d): (applying|changed)", done.err)
    assert [word for _, word in steps] == ["applying", "changed"] * 3, steps
    assert {host: done.json["hosts"][host]["execs"] for host in BROKERS} == dict.fromkeys(
        BROKERS, 2
    )
    assert renewed(before, processes(site)) == list(BROKERS)
    site.inventory.write_text(inventory())
    site.deploy()
    site.assert_in_step()
    assert_as_if_nothing_had_been(site)


def test_a_check_goes_over_to_another_user_and_its_password_is_never_changed_under_it(
    site: Site,
) -> None:
    name = "check: {password: !env HACTL_KAFKA_CHECK}"
    site.inventory.write_text(inventory((name, "check: {password: an0ther}")))
    refused = site.hactl("deploy", "--yes")
    assert refused.code == 1 and "as check: each would take all brokers out" in refused.err, refused
    assert "Nothing was changed on any host." in refused.err
    before, other = processes(site), ("login: check", "login: check2")
    site.inventory.write_text(
        inventory((name, f"{name}\n        check2: {{password: an0ther}}"), other)
    )
    with load_through_the_vip(site):
        done = site.hactl("deploy", "--yes", "--json")
        assert done.code == 0, done
        assert "user check2 is made first" in done.err
        time.sleep(10)  # by then a check that is refused has taken its broker out
        for director in DIRECTORS:
            table = site.ssh(director, "ipvsadm -Ln")
            assert len(re.findall(r":9092 +Route +1 ", table)) == len(BROKERS), table
    assert renewed(before, processes(site)) == []
    site.inventory.write_text(inventory())
    site.deploy()
    assert_as_if_nothing_had_been(site)


def test_brokers_go_over_to_another_admin_in_three_deploys_and_no_record_fails(site: Site) -> None:
    """The last test: the cluster is another's afterwards."""
    name = "admin: {password: !env HACTL_KAFKA_ADMIN}"
    both = (name, f"{name}\n        second: {{password: s3cond}}")
    site.inventory.write_text(inventory((name, "admin: {password: an0ther}")))
    refused = site.hactl("deploy", "--yes")
    assert refused.code == 4 and "go over to a second admin" in refused.err, refused
    site.inventory.write_text(inventory())
    with load_through_the_vip(site):
        for more in ("super_users: [second]", "admin: second\n      super_users: [admin]"):
            site.inventory.write_text(inventory(both, ("heap: 320m", f"heap: 320m\n      {more}")))
            done = site.hactl("deploy", "--yes", "--json")
            assert done.code == 0, done
    site.inventory.write_text(
        inventory(
            (name, "second: {password: s3cond}"), ("heap: 320m", "heap: 320m\n      admin: second")
        )
    )
    assert site.hactl("deploy", "--yes", "--json").code == 0
    site.assert_in_step()
    assert_as_if_nothing_had_been(site)
    pruned = site.hactl("kafka", "apply", "--prune", "--yes", "--json")
    assert pruned.code == 0 and ("user", "admin", "done") in {
        (each["kind"], each["name"], each["became"]) for each in pruned.json["resources"]
    }, pruned
