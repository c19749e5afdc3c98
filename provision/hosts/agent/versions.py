"""The versions of programs on the hosts of drills, and the directors' configuration on disk."""

from __future__ import annotations

from collections.abc import Iterable

from provision.core.errors import HostError
from provision.hosts.agent import program
from provision.hosts.parallel import run_parallel
from provision.hosts.protocol import decode_line
from provision.hosts.sessions import Sessions


def versions(
    sessions: Sessions, hosts: Iterable[str]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return the versions of each host by program, and the directors' keepalived.conf with secrets.

    Raises:
        HostError: a host cannot be asked.
    """
    names = list(hosts)
    answers = dict(
        zip(names, run_parallel(lambda host: _versions(sessions, host), names), strict=True)
    )
    return (
        {host: programs for host, (programs, _) in answers.items()},
        {host: text for host, (_, text) in answers.items() if text},
    )


def _versions(sessions: Sessions, host: str) -> tuple[dict[str, str], str]:
    channel = sessions.of(host).run_agent(program("versions"))
    programs, lines = {}, []
    try:
        while (line := channel.read_line()) is not None and line != b"end\n":
            word, *fields = decode_line(line)
            if word == "version" and len(fields) == 2 and fields[1]:
                programs[fields[0]] = fields[1]
            elif word == "line":
                lines.append("\x1f".join(fields))
    finally:
        channel.close()
    if line is None:
        raise HostError(host, "the connection was lost while hactl read its versions")
    return programs, "\n".join(lines)
