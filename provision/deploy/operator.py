"""Who changes hosts from here."""

from __future__ import annotations

import getpass
import socket


def operator_id() -> str:
    """Who deploys from where, as locks and logs say it: USER@HOST."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
