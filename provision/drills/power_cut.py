"""The master's power is cut."""

from __future__ import annotations

from provision.core.errors import LabError
from provision.drills.context import DrillContext
from provision.drills.takeover import Takeover
from provision.lab.control import boot, cut


class PowerCut(Takeover):
    """Nothing comes from the master any more, and nothing of it is left."""

    name = "power-cut"
    lab_only = "a host without power cannot be told to switch itself on again"

    def __init__(self) -> None:
        self._off = False

    def inject(self, stage: DrillContext) -> float:
        """Cut it."""
        self._off = True
        moment = cut(stage.lab, stage.holder, lambda _: None)
        stage.watch.gone(stage.holder, moment)
        stage.sessions.drop(stage.holder)
        return moment

    def left(self, stage: DrillContext) -> str:
        """It stays off."""
        return (
            f"{stage.holder} is off: hactl lab boot {stage.holder}"
            if self._off
            else super().left(stage)
        )

    def undo(self, stage: DrillContext) -> None:
        """Switch it on; an emulated director boots for half a minute."""
        if self._off:
            try:
                boot(stage.lab, stage.holder, lambda _: None)
            except LabError as error:
                if "is running" not in error.message:
                    raise
            self._off = False
            stage.watch.start(stage.holder)
