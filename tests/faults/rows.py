"""The rows of the matrix: the faults of the pairs and of the fleet, and the cells that CI runs."""

from __future__ import annotations

from tests.faults import cells, fleet, strike
from tests.faults.outcome import Cell

FAULTS = {**{fault.name: fault.meaning for fault in strike.FAULTS}, fleet.FAULT: fleet.MEANING}
"""The meaning of each fault, by name."""

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
"""A cell for each fault that takes less than a minute, at the riskiest step."""
