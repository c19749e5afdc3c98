"""A client's properties file becomes a login, or an error with its position."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from provision.core.errors import InputError, UsageError
from provision.kafka.client_file import login

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


def client_file(folder: Path, *lines: str) -> Path:
    """Write a client's file with these lines."""
    path = folder / "client.properties"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def error_text(folder: Path, *lines: str) -> str:
    """Return the error for a file with these lines, without the folder's name."""
    with pytest.raises(InputError) as caught:
        login("kafka:9092", client_file(folder, *lines))
    return str(caught.value).replace(f"{folder}/", "")


def test_without_a_file_the_login_has_no_tls() -> None:
    parsed = login("kafka-1:9093, [2001:db8::1]:9094,kafka-2", None)
    assert parsed.bootstrap == (("kafka-1", 9093), ("2001:db8::1", 9094), ("kafka-2", 9092))
    assert (parsed.protocol, parsed.tls) == ("PLAINTEXT", None)


def test_the_option_overrides_the_file(tmp_path: Path) -> None:
    file = client_file(tmp_path, "bootstrap.servers=vip:9092")
    assert login("", file).bootstrap == (("vip", 9092),)
    assert login("kafka-1:1", file).bootstrap == (("kafka-1", 1),)


def test_scram_over_tls(tmp_path: Path) -> None:
    parsed = login(
        "kafka:9092",
        client_file(
            tmp_path,
            "security.protocol=SASL_SSL",
            "sasl.mechanism=SCRAM-SHA-512",
            rf"sasl.jaas.config={SCRAM} required \\"[:-1],
            '  username="admin" password="p=ss;wörd";',
        ),
    )
    assert (parsed.mechanism, parsed.user) == ("SCRAM-SHA-512", "admin")
    assert parsed.tls and parsed.tls.check_hostname and parsed.tls.verify_mode is ssl.CERT_REQUIRED


def test_the_password_is_not_in_the_repr(tmp_path: Path) -> None:
    text = f'sasl.jaas.config={PLAIN} required username="a" password="s3cret";'
    parsed = login(
        "k:1",
        client_file(tmp_path, "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN", text),
    )
    assert parsed.password == "s3cret"  # noqa: S105
    assert "s3cret" not in repr(parsed)


def test_an_empty_algorithm_disables_the_host_name_check_but_not_the_ca_check(
    tmp_path: Path,
) -> None:
    parsed = login(
        "k:1",
        client_file(tmp_path, "security.protocol=SSL", "ssl.endpoint.identification.algorithm="),
    )
    assert (
        parsed.tls and not parsed.tls.check_hostname and parsed.tls.verify_mode is ssl.CERT_REQUIRED
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["security.protocol=SASL"],
            ":1:19: client-file: security.protocol: there is no protocol SASL",
        ),
        (
            ["security.protocol=SASL_SSL"],
            "sasl.mechanism: hactl does not support mechanism GSSAPI (the default)",
        ),
        (["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN"], "sasl.jaas.config: is missing"),
        (
            ["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", f"sasl.jaas.config={PLAIN}"],
            ":3:18: client-file: sasl.jaas.config: Kafka says: "
            "Login module control flag not specified",
        ),
        (
            [
                "security.protocol=SASL_SSL",
                "sasl.mechanism=PLAIN",
                f"sasl.jaas.config={SCRAM} required a=b;",
            ],
            f"{SCRAM} does not support PLAIN",
        ),
        (
            ["security.protocol=SSL", "ssl.truststore.location=/x.jks"],
            "only Java can read a JKS store",
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
def test_a_wrong_value_is_an_error_with_its_position(
    lines: list[str], message: str, tmp_path: Path
) -> None:
    assert message in error_text(tmp_path, *lines)


@pytest.mark.parametrize("bootstrap", ["kafka:0", "kafka:99999", "kafka:port", ":9092"])
def test_a_bootstrap_server_is_host_and_port(bootstrap: str) -> None:
    with pytest.raises(UsageError, match="write HOST:PORT"):
        login(bootstrap, None)


def test_a_missing_bootstrap_server_or_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bootstrap"):
        login("", None)
    with pytest.raises(UsageError, match="No such file"):
        login("k:1", tmp_path / "none")
