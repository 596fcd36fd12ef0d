"""What was learned of a ranking's options: the newest state of a folder."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from churnkit.bundle.parts.bandit_versions import newest_state, read_state
from churnkit.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

    from churnkit.bundle import RetentionModel
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["Learned"]

_LOG = logging.getLogger("churnkit.server")


class Learned:
    """Reads the newest state that ``churnkit learn`` has written, as often as it is told.

    A state that is damaged or of another model is told once in the log; the state of before, or
    the model's own, stays.

    Parameters
    ----------
    folder
        Where the states are; None to rank by the model's own state.
    seconds
        How often the folder is looked at, at most.
    """

    def __init__(self, folder: str | None, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._next = 0.0
        self._model: RetentionModel | None = None
        self._place: Path | None = None
        self._bandit: LinearBandit | None = None

    def now(self, model: RetentionModel) -> LinearBandit:
        """Return the state to rank by."""
        moment = time.monotonic()
        if self._bandit is None or self._model is not model:
            self._model, self._place, self._bandit = model, None, model.ranker.bandit
            self._next = moment
        if self._folder is not None and moment >= self._next:
            self._next = moment + self._seconds
            self._look(model, self._folder)
        return self._bandit

    def _look(self, model: RetentionModel, folder: str) -> None:
        try:
            place = newest_state(folder)
            if place is None or place == self._place:
                return
            self._place = place
            state = read_state(place, model.compiled_ranking)
        except (BundleError, OSError) as error:
            _LOG.error("%s; options are ranked by what was known before", error)
            return
        model.compiled_ranking.warm_up(state.bandit)
        self._bandit = state.bandit
        _LOG.info("options are ranked by state %s", place.name)
