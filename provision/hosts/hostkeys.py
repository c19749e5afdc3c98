"""Host keys: unknown keys are refused, unless the operator's ssh_config accepts new ones."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from paramiko.ssh_exception import BadHostKeyException, SSHException

from provision.core.errors import Unreachable
from provision.hosts.target import Target

_recording = threading.Lock()


class UnknownKey(SSHException):
    """A host key that is in no known_hosts file, or that is revoked."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def load_known_hosts(client: paramiko.SSHClient, target: Target) -> None:
    """Load the keys of the target's known_hosts files into a client.

    Revoked keys and those of certificate authorities are left out. Missing files and damaged lines
    are ignored, as ssh(1) does.
    """
    revoked = _revoked(target)
    for line in _lines(target):
        with contextlib.suppress(InvalidHostKey, SSHException, ValueError):
            entry = None if line.startswith("@") else HostKeyEntry.from_line(line)
            if entry and entry.key and entry.hostnames and entry.key.get_base64() not in revoked:
                for name in entry.hostnames:
                    client.get_host_keys().add(name, entry.key.get_name(), entry.key)


def _lines(target: Target) -> Iterator[str]:
    for path in (Path(name).expanduser() for name in target.known_hosts):
        if path.is_file():
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    yield line.strip()


def _revoked(target: Target) -> frozenset[str]:
    """Return the keys that known_hosts files revoke for any host.

    The lines are `@revoked PATTERN TYPE KEY` (sshd(8)).
    """
    rows = (line.split() for line in _lines(target))
    return frozenset(words[3] for words in rows if words[0] == "@revoked" and len(words) > 3)


def _refuse_revoked(target: Target, hostname: str, key: paramiko.PKey) -> None:
    if key.get_base64() in _revoked(target):
        raise UnknownKey(
            f"the host key of {hostname} is revoked ({key.get_name()} {key.fingerprint})",
            "it was stolen or is no longer used: give the host another key",
        )


class RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """Ends the connection for an unknown key: OpenSSH's `StrictHostKeyChecking yes`."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def missing_host_key(
        self,
        client: paramiko.SSHClient,  # noqa: ARG002
        hostname: str,
        key: paramiko.PKey,
    ) -> None:
        """Raise UnknownKey with the fingerprint and the command that records the key."""
        _refuse_revoked(self.target, hostname, key)
        raise UnknownKey(
            f"the host key of {hostname} is not known ({key.get_name()} {key.fingerprint})",
            f"compare the fingerprint with that on the host, then: {_record_command(self.target)}",
        )


class RecordNew(RefuseUnknown):
    """Records an unknown key in the first known_hosts file, and refuses a changed one.

    This is OpenSSH's `StrictHostKeyChecking accept-new`.
    """

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> None:
        """Append the key. Raises UnknownKey if it is revoked or if there is no file to write to."""
        _refuse_revoked(self.target, hostname, key)
        if not self.target.known_hosts:
            return super().missing_host_key(client, hostname, key)
        path = Path(self.target.known_hosts[0]).expanduser()
        with _recording:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("a", encoding="ascii") as file:
                file.write(f"{hostname} {key.get_name()} {key.get_base64()}\n")
        return None


def changed_key(target: Target, error: BadHostKeyException) -> Unreachable:
    """Return the error for a host whose key differs from the known key, with both fingerprints."""
    known, shown = error.expected_key, error.key
    name = _key_name(target)
    files = " ".join(target.known_hosts[:1])
    return Unreachable(
        target.host,
        f"the host key of {name} has changed: known is {known.get_name()} {known.fingerprint}, "
        f"the host sent {shown.get_name()} {shown.fingerprint}",
        "somebody may intercept the connection; if the host was reinstalled: "
        f"ssh-keygen -R '{name}'{f' -f {files}' if files else ''}",
    )


def _key_name(target: Target) -> str:
    if target.key_name:
        return target.key_name
    return target.address if target.port == 22 else f"[{target.address}]:{target.port}"


def _record_command(target: Target) -> str:
    files = target.known_hosts[0] if target.known_hosts else "~/.ssh/known_hosts"
    if target.proxy_command or target.jumps or target.key_name:
        return f"log in once with ssh -o UserKnownHostsFile={files} and the same options"
    return f"ssh-keyscan -p {target.port} {target.address} >> {files}"
