"""A machine that has deployed already: the cluster's CA is kept there."""

from __future__ import annotations

from provision.deploy.project import Project
from provision.kafka.ca import keep_new, with_authority


def deployed(project: Project) -> Project:
    """The project, and its CA in the state folder as a first deploy leaves it there."""
    keep_new(with_authority(project))
    return project
