"""The operator who changes hosts from this machine."""

from __future__ import annotations

import getpass
import socket


def operator_id() -> str:
    """The operator as locks and logs name them: USER@HOST."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
