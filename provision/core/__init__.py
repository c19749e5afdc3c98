"""Errors, events, facts, terminal output and shipped data: what every package may use."""
