"""All rows of the matrix: the faults of the pairs and that of the fleet, and which cells CI runs."""

from __future__ import annotations

from tests.faults import cells, fleet, strike
from tests.faults.outcome import Cell

FAULTS = {**{fault.name: fault.meaning for fault in strike.FAULTS}, fleet.FAULT: fleet.MEANING}
"""What each fault is, by its name."""

CELLS = (*fleet.CELLS, *cells.CELLS)
"""Every cell, the longest first."""

REPRESENTATIVE = (
    Cell("controller killed", "applied"),
    Cell("connection cut", "reload"),
    Cell("agent killed", "lock"),
    Cell("login killed", "change"),
    Cell("disk full", "stage"),
    Cell("/etc read-only", "change"),
    Cell("power cut", "confirm"),
    Cell("second deploy", "ready"),
    Cell("keepalived killed", "reload"),
    Cell(fleet.FAULT, "connect"),
)
"""A cell of each fault that takes no minute, at the step where most is at stake: the first change and what follows."""
