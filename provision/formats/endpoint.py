"""`HOST:PORT` as in ipvsadm(8), ss(8) and Kafka: IPv6 addresses in brackets (RFC 3986 §3.2.2)."""

from __future__ import annotations


def join(host: str, port: int | str) -> str:
    """The text `HOST:PORT`, or `[HOST]:PORT` for an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(text: str) -> tuple[str, str]:
    """Host without brackets, and port, both unchecked. Without a colon the host is empty."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), port


def host(text: str) -> str:
    """The host of `HOST:PORT`, without brackets."""
    return split(text)[0]
