"""The checkers of real servers: how Keepalived finds out that one is alive (keepalived.conf(5), CHECKER_TYPE)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from provision.inventory.model.text import (
    Address,
    Command,
    FilePath,
    Flag,
    Identifier,
    Integer,
    InterfaceName,
    Model,
    Pattern,
    Port,
    Seconds,
    Text,
    Word,
    as_list,
    mistake,
)


class Timing(Model):
    """How often and how patiently to check; absent means what real server and service say, then Keepalived's default.

    Times are in seconds. `interval` is delay_loop, `retries` retry, `delay` delay_before_retry.
    """

    interval: Annotated[Seconds, Field(gt=0)] | None = None
    """Time from one check to the next (`delay_loop`). Keepalived's default: 60."""
    retries: Annotated[Integer, Field(ge=0)] | None = None
    """Further tries before an alive real server counts as failed (`retry`). Keepalived's default: 1, for DNS 3, for
    `misc` 0."""
    delay: Seconds | None = None
    """Time between these tries (`delay_before_retry`). Keepalived's default: 1; HTTP and SSL 3; DNS its `interval`."""
    warmup: Seconds | None = None
    """The first check comes after a random time up to this; 0 for at once. Keepalived's default: `interval`."""
    alpha: Flag | None = None
    """Down until the first check succeeds. Absent: as the real server and the service say."""
    log_all_failures: Flag | None = None
    """Write every failed check of an alive real server to the log, not only the last of the tries."""


class Connecting(Timing):
    """What every checker that opens a connection can be told; the target defaults to the real server itself."""

    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    """How long to wait for the answer (`connect_timeout`). Keepalived's default: 5."""
    connect_ip: Address | None = None
    """Check this address instead of the real server's own."""
    port: Port | None = None
    """Check this port (`connect_port`). Absent: the real server's, else the service's."""
    bindto: Address | None = None
    """Source address of the check."""
    bind_if: InterfaceName | None = None
    """Interface the check leaves by; an IPv6 link-local `bindto` needs it."""
    bind_port: Port | None = None
    """Source port of the check."""
    fwmark: Annotated[Integer, Field(ge=1)] | None = None
    """Firewall mark on the packets of the check."""


class TcpCheck(Connecting):
    """A TCP connection that opens."""

    type: Literal["tcp"]
    """Says that it is a TCP check (`TCP_CHECK`)."""


def _statuses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        low, _, high = value.partition("-")
        if not (
            low.isdecimal()
            and (not high or high.isdecimal())
            and 100 <= int(low) <= int(high or low) <= 999
        ):
            raise mistake(
                "wrong-value",
                f"{value!a} is no HTTP status",
                "",
                "write `200` or a range `200-299`",
            )
    return values


def _as_texts(value: object) -> object:
    values = value if isinstance(value, list | tuple) else [value]
    return [
        str(item) if isinstance(item, int) and not isinstance(item, bool) else item
        for item in values
    ]


class Url(Model):
    """One page an HTTP check asks for, and what its answer must be."""

    path: Word = "/"
    """The path to ask for."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    """MD5 sum of the page, as genhash(1) prints it."""
    status_code: Annotated[
        tuple[str, ...], BeforeValidator(_as_texts), AfterValidator(_statuses)
    ] = ()
    """HTTP statuses that count as alive, single ones or ranges. Keepalived's default: 200-299."""
    virtualhost: Word | None = None
    """Host name of the request. Absent: the check's, the real server's, the service's."""
    regex: Pattern | None = None
    """Regular expression (PCRE2) that the page must match."""
    regex_no_match: Flag = False
    """The other way round: a match is a failure."""
    regex_options: tuple[Word, ...] = ()
    """Options of the expression, pcre2api(3): `caseless`, `multiline` and the like."""
    regex_stack: tuple[Integer, Integer] | None = None
    """Bytes of the expression's stack at the start and at most, pcre2_jit_stack_create(3)."""
    regex_min_offset: Annotated[Integer, Field(ge=0)] | None = None
    """Byte of the page at which matching starts."""
    regex_max_offset: Annotated[Integer, Field(ge=0)] | None = None
    """Last byte of the page at which a match may start."""


class HttpCheck(Connecting):
    """A page that answers as it should. At least one url: without any, Keepalived 2.2.7 crashes."""

    type: Literal["http"]
    """Says that it is an HTTP check (`HTTP_GET`)."""
    http_protocol: Literal["1.0", "1.0C", "1.1"] | None = None
    """Version of HTTP; `1.0C` is 1.0 with `Connection: close`."""
    fast_recovery: Flag | None = None
    """Several urls: ask them without an interval between them when the real server comes back."""
    urls: Annotated[tuple[Url, ...], Field(min_length=1)] = (Url(),)
    """The pages; all must be as they should (`url`). The default asks for `/`."""
    virtualhost: Word | None = None
    """Host name of the requests. Absent: the real server's, the service's."""


class SslCheck(Connecting):
    """The same over TLS; the certificate is not verified (Keepalived does not)."""

    type: Literal["ssl"]
    """Says that it is an HTTPS check (`SSL_GET`)."""
    http_protocol: Literal["1.0", "1.0C", "1.1"] | None = None
    """Version of HTTP; `1.0C` is 1.0 with `Connection: close`."""
    fast_recovery: Flag | None = None
    """Several urls: ask them without an interval between them when the real server comes back."""
    urls: Annotated[tuple[Url, ...], Field(min_length=1)] = (Url(),)
    """The pages; all must be as they should (`url`). The default asks for `/`."""
    virtualhost: Word | None = None
    """Host name of the requests. Absent: the real server's, the service's."""
    enable_sni: Flag = False
    """Name the host in the TLS handshake too (RFC 6066 §3)."""


class DnsCheck(Connecting):
    """A DNS query over UDP that is answered."""

    type: Literal["dns"]
    """Says that it is a DNS check (`DNS_CHECK`)."""
    query_type: Literal["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"] | None = None
    """Type of the record asked for (`type`). Keepalived's default: SOA."""
    name: Word | None = None
    """Name asked for. Keepalived's default: the root, `.`."""


class SmtpCheck(Connecting):
    """A mail server that greets."""

    type: Literal["smtp"]
    """Says that it is an SMTP check (`SMTP_CHECK`)."""
    helo_name: Text | None = None
    """Name in the HELO line."""


HexString = Annotated[str, Field(pattern=r"^[0-9A-Fa-fXx ]+$")]


class UdpCheck(Connecting):
    """A UDP datagram that raises no ICMP error, or that is answered (`reply` in hexadecimal, X for any)."""

    type: Literal["udp"]
    """Says that it is a UDP check (`UDP_CHECK`)."""
    payload: HexString | None = None
    """What is sent, in hexadecimal. Absent: random bytes."""
    require_reply: Flag = False
    """Any answer will do, but one must come."""
    reply: HexString | None = None
    """An answer must come and begin like this, in hexadecimal; an X stands for any digit (`require_reply`)."""
    min_reply_length: Annotated[Integer, Field(ge=0, le=65535)] | None = None
    """Fewest bytes of an answer. Keepalived's default: 0."""
    max_reply_length: Annotated[Integer, Field(ge=0, le=65535)] | None = None
    """Most bytes of an answer. Keepalived's default: 255."""


class PingCheck(Connecting):
    """An ICMP echo that is answered."""

    type: Literal["ping"]
    """Says that it is a ping (`PING_CHECK`)."""


class MiscCheck(Timing):
    """A program of the operator's; `timeout` in whole seconds. `dynamic`: its exit status sets the weight."""

    type: Literal["misc"]
    """Says that it is a program (`MISC_CHECK`)."""
    script: Command
    """The program and its arguments; exit status 0 is alive, 1 is failed (`misc_path`)."""
    timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds after which it counts as failed (`misc_timeout`)."""
    dynamic: Flag = False
    """An exit status from 2 to 255 is alive, and the weight becomes the status less 2 (`misc_dynamic`)."""
    user: Word | None = None
    """Who it runs as. Absent: `script_user`."""
    group: Word | None = None
    """Group it runs as. Absent: the user's."""


class FileCheck(Model):
    """A number in a file on the director, multiplied by `weight` and added to the real server's weight.

    With weight 0, any number but 0 means that it is down (keepalived.conf(5), track_file).
    """

    type: Literal["file"]
    """Says that it is a file (`FILE_CHECK`)."""
    file: FilePath
    """Path of the file on the director (`track_file`)."""
    weight: Annotated[Integer, Field(ge=-2147483647, le=2147483647)] | None = None
    """Multiplier of the number in the file."""
    reverse: Flag = False
    """Subtract instead of add; needs `weight`."""
    init: Integer | None = None
    """Number written into the file where it does not exist (`init_file`)."""


class KafkaCheck(Timing):
    """A Kafka broker that is ready: it speaks the protocol, lets `login` in, and is in its own metadata."""

    type: Literal["kafka"]
    """Says that it is a broker (`MISC_CHECK`; role `kafka_check` puts there what it runs)."""
    login: Identifier
    """User of the cluster that the check logs in as; best one without any rights."""
    timeout: Annotated[Integer, Field(gt=0)] = 5
    """Seconds until a broker that has not answered counts as not ready."""


class BfdTiming(Model):
    """The timers of a BFD session (RFC 5880), in milliseconds, and its hop limits."""

    min_rx: Annotated[Seconds, Field(ge=1, le=4294967)] | None = None
    """Shortest milliseconds between packets that this side can take. Keepalived's default: 10."""
    min_tx: Annotated[Seconds, Field(ge=1, le=4294967)] | None = None
    """Shortest milliseconds between packets that this side wants to send. Keepalived's default: 10."""
    idle_tx: Annotated[Seconds, Field(ge=1000, le=4294967)] | None = None
    """Milliseconds between packets while the session is down. Keepalived's default: 1000."""
    multiplier: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """Missed packets after which the session is down. Keepalived's default: 5."""
    passive: Flag = False
    """Send nothing until the neighbour does (RFC 5880 §6.1)."""
    ttl: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """TTL of what is sent over IPv4. Keepalived's default: 255 (RFC 5881 §5)."""
    hoplimit: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """Hop limit of what is sent over IPv6. Keepalived's default: 64, while RFC 5881 §5 wants 255."""
    max_hops: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """Hops a received packet may have come; 255 for any number. Keepalived's default: 0."""


class BfdCheck(BfdTiming):
    """A BFD session with the real server, one made for each."""

    type: Literal["bfd"]
    """Says that it is a BFD session (`BFD_CHECK`)."""


Check = Annotated[
    TcpCheck
    | HttpCheck
    | SslCheck
    | DnsCheck
    | SmtpCheck
    | UdpCheck
    | PingCheck
    | MiscCheck
    | FileCheck
    | KafkaCheck
    | BfdCheck,
    Field(discriminator="type"),
]
Checks = Annotated[tuple[Check, ...], BeforeValidator(as_list)]

__all__ = ["BfdTiming", "Check", "Checks", "KafkaCheck", "Url"]
