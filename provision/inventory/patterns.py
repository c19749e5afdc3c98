"""Host patterns of an inventory, host names with ranges: ``web[01:10:2].example.org:22``.

A range is ``[BEGIN:END]`` or ``[BEGIN:END:STEP]``, both ends included. Its ends are decimal
numbers, or single letters in the order a…z A…Z. A begin with a leading zero pads all numbers to its
width; an empty begin is 0. Several ranges multiply; the leftmost changes slowest.

``:PORT`` at the end is a port if the text before it looks like a host name or an IPv4 address. An
IPv6 address needs brackets: ``[2001:db8::1]:22``. Any other text is a name as a whole. Source:
"Adding ranges of hosts" in Ansible's user guide (How to build your inventory), and its behaviour.

Stricter than Ansible, `expand` refuses an empty range, a step below 1, and more than `MAX_HOSTS`
names.
"""

from __future__ import annotations

import ipaddress
import re
from string import ascii_letters

MAX_HOSTS = 65_536

_RANGE = r"\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]"
_LABEL = rf"(?:\w|{_RANGE})(?:[\w-]|{_RANGE})*(?<![_-])"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_HEX_RANGE = re.compile(r"\[[0-9a-f]+:[0-9a-f]+(?::[0-9]+)?\]", re.IGNORECASE)
_BRACKETED = re.compile(r"\[(.+)\]:([0-9]{1,18})")
_WITH_PORT = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]{1,18})")
_BRACKETS = re.compile(r"([^\[\]]*)\[([^\[\]]*)\](.*)", re.DOTALL)


class PatternError(ValueError):
    """An invalid host pattern; the text says why."""


def expand(pattern: str) -> tuple[list[str], int | None]:
    """The host names of a pattern, in order, and its port if any. Raises PatternError."""
    name, port = split_port(pattern)
    names = _expand(name, MAX_HOSTS) if "[" in name else [name]
    if port is not None and port > 65_535:
        raise PatternError(f"port {port} is beyond 65535")
    return names, port


def split_port(pattern: str) -> tuple[str, int | None]:
    """The pattern without its port, and the port; the whole pattern and None without a port."""
    address, port = pattern, None
    for form in (_BRACKETED, _WITH_PORT):
        match = form.fullmatch(address)
        if match:
            address, port = match.group(1), int(match.group(2))
    if _NAME.fullmatch(address) or _is_ipv6(address):
        return address, port
    return pattern, None


def _is_ipv6(text: str) -> bool:
    """Whether the text is an IPv6 address once its ranges are expanded."""
    try:
        ipaddress.IPv6Address(_HEX_RANGE.sub("0", text))
    except ValueError:
        return False
    return "%" not in text


def _expand(pattern: str, limit: int) -> list[str]:
    """The names of a pattern that has at least one range."""
    match = _BRACKETS.fullmatch(pattern)
    if match is None:
        raise PatternError("its brackets do not pair")
    head, range_text, tail = match.groups()
    items = _items(range_text)
    if len(items) > limit:
        raise PatternError(f"it gives more than {MAX_HOSTS} names")
    endings = _expand(tail, limit // len(items)) if "[" in tail else [tail]
    return [f"{head}{item}{ending}" for item in items for ending in endings]


def _items(range_text: str) -> list[str]:
    """The members of a range, given the text between its brackets."""
    bounds = range_text.split(":")
    if len(bounds) not in (2, 3):
        raise PatternError(f"[{range_text}] is neither [BEGIN:END] nor [BEGIN:END:STEP]")
    begin, end, step = bounds[0] or "0", bounds[1], bounds[2] if len(bounds) == 3 else "1"
    if not end:
        raise PatternError(f"[{range_text}] has no end")
    if not _is_number(step) or int(step) < 1:
        raise PatternError(f"[{range_text}] steps by {step!r}, not by a number of at least 1")
    items = _letters(begin, end, int(step)) if _is_letter(begin) and _is_letter(end) else None
    if items is None and _is_number(begin) and _is_number(end):
        items = _numbers(begin, end, int(step))
    if items is None:
        raise PatternError(
            f"[{range_text}] runs neither from number to number nor from letter to letter"
        )
    if not items:
        raise PatternError(f"[{range_text}] is empty: its begin is beyond its end")
    return items


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text in ascii_letters


def _letters(begin: str, end: str, step: int) -> list[str]:
    return list(ascii_letters[ascii_letters.index(begin) : ascii_letters.index(end) + 1 : step])


def _numbers(begin: str, end: str, step: int) -> list[str]:
    width = len(begin) if begin.startswith("0") and len(begin) > 1 else 0
    if width and width != len(end):
        raise PatternError(
            f"[{begin}:{end}] pads with zeros, so both ends need the same number of digits"
        )
    span = range(int(begin), int(end) + 1, step)
    if len(span) > MAX_HOSTS:
        raise PatternError(f"it gives more than {MAX_HOSTS} names")
    return [str(number).zfill(width) for number in span]
