"""A client's properties file becomes a login, or an error at its place."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from provision.core.errors import InputError, UsageError
from provision.kafka.client_file import login

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def written(folder: Path, *lines: str) -> Path:
    """A client's file with these lines."""
    path = folder / "client.properties"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def complaint(folder: Path, *lines: str) -> str:
    """What is said of a file with these lines, the folder's name left out."""
    with pytest.raises(InputError) as caught:
        login("kafka:9092", written(folder, *lines))
    return str(caught.value).replace(f"{folder}/", "")


def test_without_a_file_the_bootstrap_servers_are_spoken_to_in_the_clear() -> None:
    found = login("kafka-1:9093, [2001:db8::1]:9094,kafka-2", None)
    assert found.bootstrap == (("kafka-1", 9093), ("2001:db8::1", 9094), ("kafka-2", 9092))
    assert (found.protocol, found.tls) == ("PLAINTEXT", None)


def test_the_option_stands_above_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "bootstrap.servers=vip:9092")
    assert login("", file).bootstrap == (("vip", 9092),)
    assert login("kafka-1:1", file).bootstrap == (("kafka-1", 1),)


def test_scram_over_tls(tmp_path: Path) -> None:
    found = login(
        "kafka:9092",
        written(
            tmp_path, "security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-512",
            rf'sasl.jaas.config={SCRAM} required \\'[:-1], '  username="admin" password="p=ss;wörd";',
        ),
    )  # fmt: skip
    assert (found.mechanism, found.user) == ("SCRAM-SHA-512", "admin")
    assert found.tls and found.tls.check_hostname and found.tls.verify_mode is ssl.CERT_REQUIRED


def test_the_password_is_not_in_what_is_printed(tmp_path: Path) -> None:
    text = f'sasl.jaas.config={PLAIN} required username="a" password="s3cret";'
    found = login(
        "k:1", written(tmp_path, "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", text)
    )
    assert found.password == "s3cret"  # noqa: S105
    assert "s3cret" not in repr(found)


def test_an_empty_algorithm_gives_up_comparing_names_but_not_trust(tmp_path: Path) -> None:
    found = login(
        "k:1", written(tmp_path, "security.protocol=SSL", "ssl.endpoint.identification.algorithm=")
    )
    assert found.tls and not found.tls.check_hostname and found.tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["security.protocol=SASL"],
            ":1:19: client-file: security.protocol: there is no protocol SASL",
        ),
        (
            ["security.protocol=SASL_SSL"],
            "sasl.mechanism: mechanism GSSAPI (the default) is not spoken here",
        ),
        (["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN"], "sasl.jaas.config: is missing"),
        (
            ["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", f"sasl.jaas.config={PLAIN}"],
            ":3:18: client-file: sasl.jaas.config: Kafka says: Login module control flag not specified",
        ),
        (
            [
                "security.protocol=SASL_SSL",
                "sasl.mechanism=PLAIN",
                f"sasl.jaas.config={SCRAM} required a=b;",
            ],
            f"{SCRAM} does not do PLAIN",
        ),
        (
            ["security.protocol=SSL", "ssl.truststore.location=/x.jks"],
            "a JKS store can be read by Java only",
        ),
        (
            [
                "security.protocol=SSL",
                "ssl.truststore.type=PEM",
                "ssl.truststore.location=/nowhere.pem",
            ],
            ":3:25: client-file: ssl.truststore.location: /nowhere.pem:",
        ),
        (
            [
                "security.protocol=SSL",
                "ssl.truststore.type=PEM",
                "ssl.truststore.certificates=none",
            ],
            "the text:",
        ),
    ],
)
def test_what_is_not_understood_is_told_at_its_place(
    lines: list[str], said: str, tmp_path: Path
) -> None:
    assert said in complaint(tmp_path, *lines)


@pytest.mark.parametrize("bootstrap", ["kafka:0", "kafka:99999", "kafka:port", ":9092"])
def test_a_bootstrap_server_is_host_and_port(bootstrap: str) -> None:
    with pytest.raises(UsageError, match="it takes HOST:PORT"):
        login(bootstrap, None)


def test_no_bootstrap_server_and_a_file_that_is_not_there_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bootstrap"):
        login("", None)
    with pytest.raises(UsageError, match="No such file"):
        login("k:1", tmp_path / "none")
