"""The report of a run of drills: terminal, JSON, JUnit, one self-contained HTML page."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from provision.core.errors import HactlError
from provision.drills.result import Drills


def write(drills: Drills, folder: Path) -> tuple[Path, ...]:
    """Write `report.json`, `junit.xml` and `report.html` into `folder`; returns their paths.

    A missing folder is created. A file of an earlier run is replaced in one step. All users may
    read the files; they contain no secret.

    Raises:
        HactlError: the folder or a file in it cannot be written.
    """
    from provision.drills.report.html import page
    from provision.drills.report.junit import junit

    files = {
        "report.json": (json.dumps(document(drills), indent=2, ensure_ascii=False) + "\n").encode(
            "utf-8", "replace"
        ),
        "junit.xml": junit(drills),
        "report.html": page(drills).encode("utf-8", "replace"),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tuple(_replace(folder / name, content) for name, content in files.items())
    except OSError as error:
        raise HactlError(
            f"{error.filename or folder}: the report cannot be written: {error.strerror}",
            "give another folder with --report; the figures are in the output above",
        ) from None


def document(drills: Drills) -> dict[str, Any]:
    """The content of `report.json`: the document of `--json`, the inventory and the hosts."""
    return {
        **drills.json(),
        "inventory": drills.inventory,
        "digest": drills.digest,
        "started": drills.started,
        "vips": list(drills.vips),
        "topology": {
            host: {"is": kind, "address": address}
            for host, (kind, address) in drills.topology.items()
        },
        "versions": {host: dict(versions) for host, versions in drills.versions.items()},
    }


def _replace(path: Path, content: bytes) -> Path:
    """Replace a file in one step, so that no reader gets an incomplete file."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), 0o644)
            stream.write(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
