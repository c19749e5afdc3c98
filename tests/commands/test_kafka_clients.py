"""What each user's clients are given: read back by hactl's own readers, and by Java's clients."""

from __future__ import annotations

import runpy
import stat
import subprocess
from pathlib import Path
from typing import cast

import pytest

from provision.checks.lint.kafka_files.registry import KAFKA
from provision.checks.lint.kafka_files.registry import read as read_files
from provision.commands.kafka_clients import clients, write
from provision.commands.kafka_lint import report  # noqa: F401  # registers the rules
from provision.core.errors import HactlError, UsageError
from provision.formats.properties import read
from provision.kafka.admin import connected
from provision.kafka.client_file import login
from tests.kafka.inventory import USERS, project
from tests.kafka.verify.site import RunningBroker, prepared, serving

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder with everybody's files."""
    folder = tmp_path / "clients"
    clients(project(tmp_path), folder, [])
    return folder


def test_every_user_but_the_admin_has_its_files(out: Path) -> None:
    kinds = ("producer.conf", "consumer.conf", "librdkafka.conf", "py")
    wanted = {f"{user}.{kind}" for user in ("orders", "audit", "check") for kind in kinds}
    assert {path.name for path in out.iterdir()} == wanted | {"ca.pem"}


def test_the_admin_is_written_when_named(tmp_path: Path) -> None:
    clients(project(tmp_path), tmp_path / "one", ["admin"])
    assert login("", tmp_path / "one" / "admin.producer.conf").user == "admin"


@pytest.mark.parametrize("kind", ["producer", "consumer"])
@pytest.mark.parametrize("user", ["orders", "audit", "check"])
def test_java_files_are_read_back_as_the_login_of_the_inventory(
    user: str, kind: str, out: Path
) -> None:
    found = login("", out / f"{user}.{kind}.conf")
    assert found.bootstrap == (("192.0.2.10", 9092),)
    assert (found.protocol, found.mechanism) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (found.user, found.password) == (user, cast(dict[str, str], USERS[user])["password"])
    assert found.tls and found.tls.check_hostname
    (trusted,) = found.tls.get_ca_certs()
    assert trusted["subject"] == ((("commonName", "hactl CA for Kafka kafka"),),)


def test_lint_finds_nothing_in_them(out: Path) -> None:
    found = KAFKA.findings(
        read_files(sorted(out.glob("*.producer.conf")) + sorted(out.glob("*.consumer.conf")))
    )
    assert [str(each) for each in found] == []


@pytest.mark.parametrize(
    ("user", "group"), [("orders", "billing"), ("audit", "audit-audit"), ("check", "")]
)
def test_a_consumer_has_a_group_that_its_user_may_read_with(
    user: str, group: str, out: Path
) -> None:
    file = out / f"{user}.consumer.conf"
    assert read(file.read_bytes(), file.name).get("group.id") == group


def test_a_client_asks_the_vip_again_when_all_brokers_it_knew_are_gone(out: Path) -> None:
    file = out / "orders.producer.conf"
    found = read(file.read_bytes(), file.name)
    assert found.get("metadata.recovery.strategy") == "rebootstrap"
    assert found.get("client.dns.lookup") == "use_all_dns_ips"


def test_the_login_is_on_one_line(out: Path) -> None:
    lines = (out / "orders.producer.conf").read_text().splitlines()
    (jaas,) = [line for line in lines if line.startswith("sasl.jaas.config=")]
    assert jaas.endswith('required username="orders" password="0rd;e\'rs=";')


def test_librdkafka_and_python_say_the_same(out: Path) -> None:
    lines = (out / "orders.librdkafka.conf").read_text().splitlines()
    module = runpy.run_path(str(out / "orders.py"))
    assert dict(line.split("=", 1) for line in lines) == module["CONFLUENT_KAFKA"]
    assert (
        module["CONFLUENT_KAFKA"]["sasl.password"]
        == module["KAFKA_PYTHON"]["sasl_plain_password"]
        == "0rd;e'rs="
    )
    assert module["KAFKA_PYTHON"]["ssl_cafile"] == str(out / "ca.pem")
    assert module["GROUP"] == "billing"


def test_the_same_inventory_gives_the_same_files(tmp_path: Path) -> None:
    found = []
    for name in ("clients", "clients"):
        clients(project(tmp_path), tmp_path / name, [])
        found.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert found[0] == found[1]


def test_without_tls_nothing_names_a_certificate(tmp_path: Path) -> None:
    clients(project(tmp_path, tls=None), tmp_path / "clear", ["orders"])
    assert not (tmp_path / "clear" / "ca.pem").exists()
    assert not any("ssl." in path.read_text() for path in (tmp_path / "clear").glob("*.conf"))
    assert login("", tmp_path / "clear" / "orders.consumer.conf").protocol == "SASL_PLAINTEXT"
    assert "CA" not in runpy.run_path(str(tmp_path / "clear" / "orders.py"))


def test_only_their_owner_may_read_them(out: Path) -> None:
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}


def test_a_folder_that_others_may_enter_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "open"
    out.mkdir(mode=0o755)
    with pytest.raises(UsageError, match="other users may read it"):
        clients(project(tmp_path), out, [])
    assert list(out.iterdir()) == [] and stat.S_IMODE(out.stat().st_mode) == 0o755


def test_a_link_is_followed_neither_as_the_folder_nor_in_it(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="Not a directory"):
        write(tmp_path / "link", {"a": b"1"})
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "real" / "a").symlink_to(target)
    write(tmp_path / "real", {"a": b"1"})
    assert target.read_text() == "precious"
    assert (tmp_path / "real" / "a").read_bytes() == b"1" and not (
        tmp_path / "real" / "a"
    ).is_symlink()


def test_an_unknown_user_and_a_cluster_without_a_vip_are_told(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="no user nobody\n  the users are admin, orders, audit, check"
    ):
        clients(project(tmp_path), tmp_path / "none", ["nobody"])
    found = project(tmp_path)
    bare = type(found)(
        found.path,
        found.inventory,
        type(found.topology)(**{**vars(found.topology), "frontends": ()}),
    )
    with pytest.raises(HactlError, match="no front end has a broker behind it"):
        clients(bare, tmp_path / "none", [])
    assert not (tmp_path / "none").exists()


def java(one: RunningBroker, main: str, *words: str, said: str = "") -> str:
    """What one of Kafka's own clients prints."""
    argv = [
        "java",
        "-Xmx128m",
        "-XX:TieredStopAtLevel=1",
        main,
        "--bootstrap-server",
        "{}:{}".format(*one.address),
    ]
    done = subprocess.run(
        [*argv, *words],
        env=one.broker.environment(),
        input=said,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    return done.stdout


@pytest.mark.kafka
def test_real_clients_take_them(tmp_path: Path) -> None:
    """Clients of Java, librdkafka and Python; only the VIP is replaced: one machine has none."""
    import confluent_kafka
    import kafka

    with serving(prepared(tmp_path, "3.9.1")) as one:
        out = tmp_path / "clients"
        clients(one.project, out, ["orders"])
        files = ["--producer.config", str(out / "orders.producer.conf")]
        java(one, "kafka.tools.ConsoleProducer", "--topic", "orders", *files, said="from Java\n")
        lines = (out / "orders.librdkafka.conf").read_text().splitlines()
        own = dict(line.split("=", 1) for line in lines) | {
            "bootstrap.servers": "{}:{}".format(*one.address)
        }
        producer, told = confluent_kafka.Producer(own), list[object]()
        producer.produce(
            "orders", b"from librdkafka", on_delivery=lambda error, _: told.append(error)
        )
        assert (producer.flush(30), told) == (0, [None])
        module = runpy.run_path(str(out / "orders.py"))
        settings = {**module["KAFKA_PYTHON"], "bootstrap_servers": "{}:{}".format(*one.address)}
        with kafka.KafkaProducer(**settings) as python:
            python.send("orders", b"from Python").get(10)
        words = ["--from-beginning", "--max-messages", "3", "--timeout-ms", "30000"]
        words += ["--consumer.config", str(out / "orders.consumer.conf")]
        read_back = java(
            one, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--topic", "orders", *words
        )
        assert sorted(read_back.splitlines()) == ["from Java", "from Python", "from librdkafka"]
        with connected(one.admin) as admin:
            assert admin.list_group_offsets({"billing": None})["billing"], (
                "the file's group has read them"
            )
