"""`hactl init`: write a commented starter inventory from a few answers."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from provision.core.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Answers:
    """The answers for a starter inventory; hosts are `NAME=ADDRESS`, the master first."""

    vip: str = ""
    directors: tuple[str, ...] = ()
    real_servers: tuple[str, ...] = ()
    client: str = ""
    port: int = 80


def ask(known: Answers) -> Answers:
    """Ask on the terminal for the missing answers; blanks separate several hosts."""
    return Answers(
        known.vip or _question("Virtual IP address"),
        known.directors or tuple(_question("Directors, master first, as NAME=ADDRESS …").split()),
        known.real_servers or tuple(_question("Real servers, as NAME=ADDRESS …").split()),
        known.client or _question("A client to probe from, as NAME=ADDRESS (may be empty)"),
        known.port,
    )


def _question(text: str) -> str:
    sys.stderr.write(f"{text}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def write(path: Path, answers: Answers) -> None:
    """Write the inventory; never overwrite an existing file.

    Raises:
        UsageError: an answer is wrong, or the file exists or cannot be written.
    """
    text = compose(answers)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        raise UsageError(
            f"init: {path} exists already; it was not changed", "name another file"
        ) from None
    except OSError as error:
        raise UsageError(f"init: cannot write {path}: {error.strerror}") from None
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def compose(answers: Answers) -> str:
    """The text of the inventory.

    Raises:
        UsageError: an address or a name is invalid, or a group would be empty.
    """
    _address("--vip", answers.vip)
    if not 0 < answers.port < 65536:
        raise UsageError(
            f"init: --port {answers.port} is not a TCP port", "give a number from 1 to 65535"
        )
    directors = _hosts("--director", answers.directors)
    real_servers = _hosts("--real-server", answers.real_servers)
    client = _hosts("--client", (answers.client,)) if answers.client else ""
    parts = [
        _FRONT_END.format(
            vip=answers.vip, port=answers.port, directors=directors, real_servers=real_servers
        )
    ]
    if client:
        parts.append(_CLIENTS.format(client=client))
    return "".join(parts)


def _hosts(option: str, answers: tuple[str, ...]) -> str:
    if not answers:
        raise UsageError(f"init: {option} is missing", f"give {option} NAME=ADDRESS at least once")
    lines = []
    for answer in answers:
        name, _, address = answer.partition("=")
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"init: {option} {answer!r} is not NAME=ADDRESS",
                f"for example {option} lvs1=192.0.2.11",
            )
        lines.append(f"        {name}: {{ansible_host: {_quoted(_address(option, address))}}}")
    return "\n".join(lines)


def _quoted(address: str) -> str:
    """The address as YAML text: an IPv6 address has colons, so it needs quotes."""
    return f'"{address}"' if ":" in address else address


def _address(option: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(
            f"init: {option}: {text!r} is not an IP address",
            "give it as 192.0.2.10 or 2001:db8::10",
        ) from None


_FRONT_END = """\
# A hactl inventory, in Ansible's YAML format. Next steps:
#   hactl plan THIS_FILE      what would change; nothing is touched
#   hactl deploy THIS_FILE    do it
all:
  vars:
    ansible_user: root            # or another login, with `ansible_become: true` for sudo
    frontends:
      - name: main
        vips: ["{vip}"]           # the address clients use; exactly one director holds it
        directors: directors      # a group; its order is the priority order, master first
        vrrp:
          virtual_router_id: 10   # 1-255, not used by anything else on this network
        services:
          - port: {port}
            protocol: tcp
            scheduler: rr         # rr wrr lc wlc sh mh …
            forward: dr           # direct routing: answers go straight to the client
            real_servers: real_servers
            check: {{type: tcp, interval: 2, timeout: 2, retries: 1, delay: 1}}
  children:
    directors:
      hosts:
{directors}
    real_servers:
      hosts:
{real_servers}
"""

_CLIENTS = """\
    clients:                      # where probes start from; never a director
      hosts:
{client}
"""


def command(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="The inventory file to write.")
    ] = Path("inventory.yml"),
    vip: Annotated[str, typer.Option(metavar="ADDRESS", help="The virtual IP address.")] = "",
    director: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ADDRESS", help="A director; may be repeated, the master first."),
    ] = None,
    real_server: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ADDRESS", help="A real server; may be repeated."),
    ] = None,
    client: Annotated[
        str, typer.Option(metavar="NAME=ADDRESS", help="A separate host that sends test requests.")
    ] = "",
    port: Annotated[int, typer.Option(help="The service's TCP port.")] = 80,
) -> None:
    """Write a commented starter inventory.

    Without --vip, --director and --real-server it asks on the terminal."""
    answers = Answers(vip, tuple(director or ()), tuple(real_server or ()), client, port)
    if not (vip and director and real_server):
        if not sys.stdin.isatty():
            raise UsageError(
                "init: give --vip, --director and --real-server, or run it on a terminal"
            )
        answers = ask(answers)
    write(path, answers)
    typer.echo(f"Wrote {path}. Next: hactl plan {path}", err=True)
