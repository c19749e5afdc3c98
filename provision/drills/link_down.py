"""The master's network cable is pulled."""

from __future__ import annotations

from provision.drills.context import DrillContext
from provision.drills.takeover import Takeover
from provision.lab.control import plug, unplug


class LinkDown(Takeover):
    """The master is unreachable; its Keepalived notices that the carrier is lost."""

    name = "link-down"
    lab_only = "a host whose cable is pulled cannot plug it in again by itself"

    def __init__(self) -> None:
        self._pulled = False

    def inject(self, context: DrillContext) -> float:
        """Pull the cable and close the login: TCP would retransmit at ever longer intervals."""
        self._pulled = True
        moment = unplug(context.lab, context.holder, lambda _: None)
        context.watch.gone(context.holder, moment)
        context.sessions.drop(context.holder)
        return moment

    def remaining_fault(self, context: DrillContext) -> str:
        """The cable stays unplugged."""
        return (
            f"{context.holder}'s cable stays unplugged: run hactl lab down, then up"
            if self._pulled
            else super().remaining_fault(context)
        )

    def undo(self, context: DrillContext) -> None:
        """Plug the cable in."""
        if self._pulled:
            plug(context.lab, context.holder, lambda _: None)
            self._pulled = False
            context.watch.start(context.holder)
