"""The checkers of real servers: how Keepalived finds out that one is alive (keepalived.conf(5), CHECKER_TYPE)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from provision.inventory.model.text import (
    Address,
    Command,
    FilePath,
    Flag,
    Integer,
    InterfaceName,
    Pattern,
    Port,
    Seconds,
    Strict,
    Text,
    Word,
    as_list,
    mistake,
)


class Timing(Strict):
    """How often and how patiently to check; absent means Keepalived's default for the checker.

    Times are in seconds. `interval` is delay_loop, `retries` retry, `delay` delay_before_retry.
    """

    interval: Annotated[Seconds, Field(gt=0)] | None = None
    retries: Annotated[Integer, Field(ge=0)] | None = None
    delay: Seconds | None = None
    warmup: Seconds | None = None
    alpha: Flag | None = None
    log_all_failures: Flag | None = None


class Connecting(Timing):
    """What every checker that opens a connection can be told; the target defaults to the real server itself."""

    timeout: Annotated[Seconds, Field(gt=0)] | None = None
    connect_ip: Address | None = None
    port: Port | None = None
    bindto: Address | None = None
    bind_if: InterfaceName | None = None
    bind_port: Port | None = None
    fwmark: Annotated[Integer, Field(ge=1)] | None = None


class TcpCheck(Connecting):
    """A TCP connection that opens."""

    type: Literal["tcp"]


def _statuses(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        low, _, high = value.partition("-")
        if not (low.isdecimal() and (not high or high.isdecimal()) and 100 <= int(low) <= int(high or low) <= 999):
            raise mistake("wrong-value", f"{value!a} is no HTTP status", "", "write `200` or a range `200-299`")
    return values


def _as_texts(value: object) -> object:
    values = value if isinstance(value, list | tuple) else [value]
    return [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in values]


class Url(Strict):
    """One page an HTTP check asks for, and what its answer must be."""

    path: Word = "/"
    digest: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None
    status_code: Annotated[tuple[str, ...], BeforeValidator(_as_texts), AfterValidator(_statuses)] = ()
    virtualhost: Word | None = None
    regex: Pattern | None = None
    regex_no_match: Flag = False
    regex_options: tuple[Word, ...] = ()
    regex_stack: tuple[Integer, Integer] | None = None
    regex_min_offset: Annotated[Integer, Field(ge=0)] | None = None
    regex_max_offset: Annotated[Integer, Field(ge=0)] | None = None


class HttpCheck(Connecting):
    """A page that answers as it should. At least one url: without any, Keepalived 2.2.7 crashes."""

    type: Literal["http"]
    http_protocol: Literal["1.0", "1.0C", "1.1"] | None = None
    fast_recovery: Flag | None = None
    urls: Annotated[tuple[Url, ...], Field(min_length=1)] = (Url(),)
    virtualhost: Word | None = None


class SslCheck(Connecting):
    """The same over TLS; the certificate is not verified (Keepalived does not)."""

    type: Literal["ssl"]
    http_protocol: Literal["1.0", "1.0C", "1.1"] | None = None
    fast_recovery: Flag | None = None
    urls: Annotated[tuple[Url, ...], Field(min_length=1)] = (Url(),)
    virtualhost: Word | None = None
    enable_sni: Flag = False


class DnsCheck(Connecting):
    """A DNS query over UDP that is answered."""

    type: Literal["dns"]
    query_type: Literal["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"] | None = None
    name: Word | None = None


class SmtpCheck(Connecting):
    """A mail server that greets."""

    type: Literal["smtp"]
    helo_name: Text | None = None


HexString = Annotated[str, Field(pattern=r"^[0-9A-Fa-fXx ]+$")]


class UdpCheck(Connecting):
    """A UDP datagram that raises no ICMP error, or that is answered (`reply` in hexadecimal, X for any)."""

    type: Literal["udp"]
    payload: HexString | None = None
    require_reply: Flag = False
    reply: HexString | None = None
    min_reply_length: Annotated[Integer, Field(ge=0, le=65535)] | None = None
    max_reply_length: Annotated[Integer, Field(ge=0, le=65535)] | None = None


class PingCheck(Connecting):
    """An ICMP echo that is answered."""

    type: Literal["ping"]


class MiscCheck(Timing):
    """A program of the operator's; `timeout` in whole seconds. `dynamic`: its exit status sets the weight."""

    type: Literal["misc"]
    script: Command
    timeout: Annotated[Integer, Field(ge=1)] | None = None
    dynamic: Flag = False
    user: Word | None = None
    group: Word | None = None


class FileCheck(Strict):
    """A number in a file on the director, multiplied by `weight` and added to the real server's weight.

    With weight 0, any number but 0 means that it is down (keepalived.conf(5), track_file).
    """

    type: Literal["file"]
    file: FilePath
    weight: Annotated[Integer, Field(ge=-2147483647, le=2147483647)] | None = None
    reverse: Flag = False
    init: Integer | None = None


class BfdTiming(Strict):
    """The timers of a BFD session (RFC 5880), in milliseconds, and its hop limits."""

    min_rx: Annotated[Seconds, Field(ge=1, le=4294967)] | None = None
    min_tx: Annotated[Seconds, Field(ge=1, le=4294967)] | None = None
    idle_tx: Annotated[Seconds, Field(ge=1000, le=4294967)] | None = None
    multiplier: Annotated[Integer, Field(ge=1, le=255)] | None = None
    passive: Flag = False
    ttl: Annotated[Integer, Field(ge=1, le=255)] | None = None
    hoplimit: Annotated[Integer, Field(ge=1, le=255)] | None = None
    max_hops: Annotated[Integer, Field(ge=0, le=255)] | None = None


class BfdCheck(BfdTiming):
    """A BFD session with the real server, one made for each."""

    type: Literal["bfd"]


Check = Annotated[
    TcpCheck | HttpCheck | SslCheck | DnsCheck | SmtpCheck | UdpCheck | PingCheck | MiscCheck | FileCheck | BfdCheck,
    Field(discriminator="type"),
]
Checks = Annotated[tuple[Check, ...], BeforeValidator(as_list)]

__all__ = ["BfdTiming", "Check", "Checks", "Url"]
