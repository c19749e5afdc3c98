"""Drills: each injects a fault on purpose, measures what a client sees, and undoes the fault."""
