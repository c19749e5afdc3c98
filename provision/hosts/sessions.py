"""Logins to hosts that stay open: opened in parallel, and reopened after a lost connection."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import TracebackType

from provision.core.errors import HostError, UsageError
from provision.hosts.parallel import run_parallel
from provision.hosts.ssh import SshSession, connect
from provision.hosts.target import Target


class Sessions:
    """The logins of a run, by host. A context manager: the end of the block closes all logins."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self.targets = dict(targets)
        self._open: dict[str, SshSession] = {}
        self._locks = {host: threading.Lock() for host in self.targets}

    def __enter__(self) -> Sessions:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def of(self, host: str) -> SshSession:
        """Return the login of a host. Log in if there is no login or its connection is lost.

        Raises:
            Unreachable: the login failed.
            UsageError: the host does not belong to this run.
        """
        if host not in self.targets:
            raise UsageError(f"{host} is not one of {', '.join(self.targets)}")
        with self._locks[host]:
            session = self._open.get(host)
            if session is None or session.is_dead():
                self.drop(host)
                session = self._open[host] = connect(self.targets[host])
            return session

    def all(self, hosts: Iterable[str] | None = None) -> dict[str, SshSession | HostError]:
        """Return the logins of hosts, all by default, opened in parallel, or their errors."""
        names = list(self.targets if hosts is None else hosts)
        return dict(zip(names, run_parallel(self._login, names), strict=True))

    def _login(self, host: str) -> SshSession | HostError:
        try:
            return self.of(host)
        except HostError as error:
            return error

    def drop(self, host: str) -> None:
        """Close a host's login, if there is one. The next `of` opens a new login."""
        session = self._open.pop(host, None)
        if session is not None:
            session.close()

    def close(self) -> None:
        """Close all logins."""
        for host in list(self._open):
            self.drop(host)
