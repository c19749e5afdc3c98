"""Health checks of real servers (keepalived.conf(5), CHECKER_TYPE)."""

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
    """Times and retries of a health check.

    An absent field takes the real server's value, else the service's, else Keepalived's default.
    Times are in seconds. `interval` is delay_loop, `retries` retry, `delay` delay_before_retry.
    """

    interval: Annotated[Seconds, Field(gt=0)] | None = None
    """Time between two checks (`delay_loop`). Keepalived's default: 60."""
    retries: Annotated[Integer, Field(ge=0)] | None = None
    """Retries before a live real server counts as failed (`retry`). Keepalived's default: 1, for
    DNS 3, for `misc` 0."""
    delay: Seconds | None = None
    """Time between retries (`delay_before_retry`). Keepalived's default: 1, for HTTP and SSL 3, for
    DNS its `interval`."""
    warmup: Seconds | None = None
    """Longest random delay before the first check; 0 starts it at once. Keepalived's default:
    `interval`."""
    alpha: Flag | None = None
    """The real server is down until its first check succeeds. Absent: the real server's setting,
    else the service's."""
    log_all_failures: Flag | None = None
    """Log every failed check of a live real server, not only the last retry."""


class Connecting(Timing):
    """Fields of every check that opens a connection. The default target is the real server
    itself."""

    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    """Time-out of the check (`connect_timeout`). Keepalived's default: 5."""
    connect_ip: Address | None = None
    """Check this address instead of the real server's own."""
    port: Port | None = None
    """Check this port (`connect_port`). Absent: the real server's, else the service's."""
    bindto: Address | None = None
    """Source address of the check."""
    bind_if: InterfaceName | None = None
    """Interface that the check is sent from; an IPv6 link-local `bindto` needs it."""
    bind_port: Port | None = None
    """Source port of the check."""
    fwmark: Annotated[Integer, Field(ge=1)] | None = None
    """Firewall mark on the packets of the check."""


class TcpCheck(Connecting):
    """A check that opens a TCP connection."""

    type: Literal["tcp"]
    """Selects the TCP check (`TCP_CHECK`)."""


def _checked_statuses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        low, _, high = value.partition("-")
        if not (
            low.isdecimal()
            and (not high or high.isdecimal())
            and 100 <= int(low) <= int(high or low) <= 999
        ):
            raise mistake(
                "wrong-value",
                f"{value!a} is not an HTTP status",
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
    """A page that an HTTP check requests, and the answer that it must get."""

    path: Word = "/"
    """Path of the request."""
    digest: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    """MD5 sum of the page, as genhash(1) prints it."""
    status_code: Annotated[
        tuple[str, ...], BeforeValidator(_as_texts), AfterValidator(_checked_statuses)
    ] = ()
    """HTTP statuses of a live real server, single ones or ranges. Keepalived's default: 200-299."""
    virtualhost: Word | None = None
    """Host name of the request. Absent: the check's, else the real server's, else the service's."""
    regex: Pattern | None = None
    """Regular expression (PCRE2) that the page must match."""
    regex_no_match: Flag = False
    """Invert `regex`: a match is a failure."""
    regex_options: tuple[Word, ...] = ()
    """Options of the expression, pcre2api(3): `caseless`, `multiline` and the like."""
    regex_stack: tuple[Integer, Integer] | None = None
    """Bytes of the expression's stack at the start and at most, pcre2_jit_stack_create(3)."""
    regex_min_offset: Annotated[Integer, Field(ge=0)] | None = None
    """Byte of the page at which matching starts."""
    regex_max_offset: Annotated[Integer, Field(ge=0)] | None = None
    """Last byte of the page at which a match may start."""


class HttpCheck(Connecting):
    """A check that requests pages over HTTP.

    It needs at least one url: Keepalived 2.2.7 crashes without any.
    """

    type: Literal["http"]
    """Selects the HTTP check (`HTTP_GET`)."""
    http_protocol: Literal["1.0", "1.0C", "1.1"] | None = None
    """Version of HTTP; `1.0C` is 1.0 with `Connection: close`."""
    fast_recovery: Flag | None = None
    """Check several urls without an interval between them while the real server recovers."""
    urls: Annotated[tuple[Url, ...], Field(min_length=1)] = (Url(),)
    """The pages; all of them must pass (`url`). The default is a request for `/`."""
    virtualhost: Word | None = None
    """Host name of the requests. Absent: the real server's, else the service's."""


class SslCheck(Connecting):
    """A check that requests pages over HTTPS. Keepalived does not verify the certificate."""

    type: Literal["ssl"]
    """Selects the HTTPS check (`SSL_GET`)."""
    http_protocol: Literal["1.0", "1.0C", "1.1"] | None = None
    """Version of HTTP; `1.0C` is 1.0 with `Connection: close`."""
    fast_recovery: Flag | None = None
    """Check several urls without an interval between them while the real server recovers."""
    urls: Annotated[tuple[Url, ...], Field(min_length=1)] = (Url(),)
    """The pages; all of them must pass (`url`). The default is a request for `/`."""
    virtualhost: Word | None = None
    """Host name of the requests. Absent: the real server's, else the service's."""
    enable_sni: Flag = False
    """Send the host name in the TLS handshake (SNI, RFC 6066 §3)."""


class DnsCheck(Connecting):
    """A check that sends a DNS query over UDP and needs an answer."""

    type: Literal["dns"]
    """Selects the DNS check (`DNS_CHECK`)."""
    query_type: Literal["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"] | None = None
    """Type of the queried record (`type`). Keepalived's default: SOA."""
    name: Word | None = None
    """Queried name. Keepalived's default: the root, `.`."""


class SmtpCheck(Connecting):
    """A check that waits for a mail server's greeting."""

    type: Literal["smtp"]
    """Selects the SMTP check (`SMTP_CHECK`)."""
    helo_name: Text | None = None
    """Name in the HELO line."""


HexString = Annotated[str, Field(pattern=r"^[0-9A-Fa-fXx ]+$")]


class UdpCheck(Connecting):
    """A check that sends a UDP datagram.

    It fails on an ICMP error. With `require_reply` or `reply`, it also fails without an answer.
    """

    type: Literal["udp"]
    """Selects the UDP check (`UDP_CHECK`)."""
    payload: HexString | None = None
    """Payload of the datagram, in hexadecimal. Absent: random bytes."""
    require_reply: Flag = False
    """An answer must come; its content does not matter."""
    reply: HexString | None = None
    """Start of the answer that must come, in hexadecimal; an X stands for any digit
    (`require_reply`)."""
    min_reply_length: Annotated[Integer, Field(ge=0, le=65535)] | None = None
    """Minimum length of an answer in bytes. Keepalived's default: 0."""
    max_reply_length: Annotated[Integer, Field(ge=0, le=65535)] | None = None
    """Maximum length of an answer in bytes. Keepalived's default: 255."""


class PingCheck(Connecting):
    """A check that sends an ICMP echo request and needs an answer."""

    type: Literal["ping"]
    """Selects the ping (`PING_CHECK`)."""


class MiscCheck(Timing):
    """A check that runs a program of the operator's.

    `timeout` is in whole seconds. With `dynamic`, the program's exit status sets the weight.
    """

    type: Literal["misc"]
    """Selects the program (`MISC_CHECK`)."""
    script: Command
    """The program and its arguments. Exit status 0 means alive, 1 failed (`misc_path`)."""
    timeout: Annotated[Integer, Field(ge=1)] | None = None
    """Seconds after which a running program counts as failed (`misc_timeout`)."""
    dynamic: Flag = False
    """An exit status from 2 to 255 means alive and sets the weight to the status minus 2
    (`misc_dynamic`)."""
    user: Word | None = None
    """User that runs the program. Absent: `script_user`."""
    group: Word | None = None
    """Group that runs the program. Absent: the user's."""


class FileCheck(Model):
    """A check that reads a number from a file on the director.

    Keepalived multiplies the number by `weight` and adds the product to the real server's weight.
    With weight 0, any number other than 0 means that the real server is down (keepalived.conf(5),
    track_file).
    """

    type: Literal["file"]
    """Selects the file (`FILE_CHECK`)."""
    file: FilePath
    """Path of the file on the director (`track_file`)."""
    weight: Annotated[Integer, Field(ge=-2147483647, le=2147483647)] | None = None
    """Multiplier of the number in the file."""
    reverse: Flag = False
    """Subtract the product instead of adding it; needs `weight`."""
    init: Integer | None = None
    """Number that Keepalived writes if the file does not exist (`init_file`)."""


class KafkaCheck(Timing):
    """A check that a Kafka broker is ready.

    The broker must speak the protocol, accept the login, and list itself in its metadata.
    """

    type: Literal["kafka"]
    """Selects the broker check (`MISC_CHECK`; the role `kafka_check` installs its program)."""
    login: Identifier
    """Kafka user of the check; preferably a user without any rights."""
    timeout: Annotated[Integer, Field(gt=0)] = 5
    """Time-out of the check in seconds."""


class BfdTiming(Model):
    """The timers of a BFD session (RFC 5880), in milliseconds, and its hop limits."""

    min_rx: Annotated[Seconds, Field(ge=1, le=4294967)] | None = None
    """Minimum milliseconds between packets that this side can receive. Keepalived's default: 10."""
    min_tx: Annotated[Seconds, Field(ge=1, le=4294967)] | None = None
    """Minimum milliseconds between packets that this side sends. Keepalived's default: 10."""
    idle_tx: Annotated[Seconds, Field(ge=1000, le=4294967)] | None = None
    """Milliseconds between packets while the session is down. Keepalived's default: 1000."""
    multiplier: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """Missed packets after which the session is down. Keepalived's default: 5."""
    passive: Flag = False
    """Send nothing until the neighbour does (RFC 5880 §6.1)."""
    ttl: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """TTL of packets sent over IPv4. Keepalived's default: 255 (RFC 5881 §5)."""
    hoplimit: Annotated[Integer, Field(ge=1, le=255)] | None = None
    """Hop limit of packets sent over IPv6. Keepalived's default: 64; RFC 5881 §5 requires 255."""
    max_hops: Annotated[Integer, Field(ge=0, le=255)] | None = None
    """Maximum hops of a received packet; 255 for any number. Keepalived's default: 0."""


class BfdCheck(BfdTiming):
    """A check that runs a BFD session between the director and the real server."""

    type: Literal["bfd"]
    """Selects the BFD session (`BFD_CHECK`)."""


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
