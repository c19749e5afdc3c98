"""A machine that has deployed: it keeps the cluster's CA."""

from __future__ import annotations

from provision.deploy.project import Project
from provision.kafka.ca import keep_new, with_authority


def deployed(project: Project) -> Project:
    """Save a CA in the state folder, as a first deploy does; return the project."""
    keep_new(with_authority(project))
    return project
