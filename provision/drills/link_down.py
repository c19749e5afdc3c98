"""The master's network cable is pulled."""

from __future__ import annotations

from provision.drills.context import DrillContext
from provision.drills.takeover import Takeover
from provision.lab.control import plug, unplug


class LinkDown(Takeover):
    """Nothing comes from the master any more; its own Keepalived sees that the carrier is gone."""

    name = "link-down"
    lab_only = "a host whose cable is pulled cannot be told to plug it in again"

    def __init__(self) -> None:
        self._pulled = False

    def inject(self, stage: DrillContext) -> float:
        """Pull it. The login goes first: TCP would wait ever longer between its tries to be heard."""
        self._pulled = True
        moment = unplug(stage.lab, stage.holder, lambda _: None)
        stage.watch.gone(stage.holder, moment)
        stage.sessions.drop(stage.holder)
        return moment

    def left(self, stage: DrillContext) -> str:
        """Its cable stays out."""
        return (
            f"{stage.holder}'s cable is pulled: hactl lab down, then up"
            if self._pulled
            else super().left(stage)
        )

    def undo(self, stage: DrillContext) -> None:
        """Plug it in."""
        if self._pulled:
            plug(stage.lab, stage.holder, lambda _: None)
            self._pulled = False
            stage.watch.start(stage.holder)
