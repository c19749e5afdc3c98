"""The lab without an inventory reader: python -m provision.lab up NAME HOST=ADDRESS[,director]..."""

from __future__ import annotations

import sys
import time

from provision.errors import HactlError
from provision.lab import control
from provision.lab.plan import LabSpec

BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.1f} {text}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    command, name, *rest = argv
    match command:
        case "up":
            triples = []
            for item in rest:
                host, _, value = item.partition("=")
                address, _, kind = value.partition(",")
                triples.append((host, address, kind == "director"))
            control.up(LabSpec.of(name, triples), say)
        case "down":
            control.down(name, say)
        case "status":
            found = control.status(name)
            for line in found.hosts if found else ():
                print(line)
        case "shell":
            return control.shell(name, rest[0], rest[1:])
        case "cut":
            control.cut(name, rest[0], say)
        case "boot":
            control.boot(name, rest[0], say)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except HactlError as error:
        sys.exit(f"error: {error}")
