"""Checks that change no host: lint, status, doctor and verify."""
