"""The commands that prove a front end: each takes a Project and returns an exit code."""
