"""The master's power is cut."""

from __future__ import annotations

from provision.core.errors import LabError
from provision.drills.context import DrillContext
from provision.drills.takeover import Takeover
from provision.lab.control import boot, cut


class PowerCut(Takeover):
    """The master is off and loses its state."""

    name = "power-cut"
    lab_only = "a host without power cannot switch itself on again"

    def __init__(self) -> None:
        self._off = False

    def inject(self, context: DrillContext) -> float:
        """Cut the power."""
        self._off = True
        moment = cut(context.lab, context.holder, lambda _: None)
        context.watch.gone(context.holder, moment)
        context.sessions.drop(context.holder)
        return moment

    def remaining_fault(self, context: DrillContext) -> str:
        """The host stays off."""
        return (
            f"{context.holder} stays off: run hactl lab boot {context.holder}"
            if self._off
            else super().remaining_fault(context)
        )

    def undo(self, context: DrillContext) -> None:
        """Switch the host on; an emulated director boots for half a minute."""
        if self._off:
            try:
                boot(context.lab, context.holder, lambda _: None)
            except LabError as error:
                if "is running" not in error.message:
                    raise
            self._off = False
            context.watch.start(context.holder)
