"""The newest bandit state of a folder, for ranked options."""

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

__all__ = ["BanditReloader"]

_LOG = logging.getLogger("churnkit.server")


class BanditReloader:
    """Reads the newest state that ``churnkit learn`` has written.

    A state that is damaged or of another model is logged once; the earlier state, or the
    model's own, stays in use.

    Parameters
    ----------
    folder
        The states' folder; None for the model's own state.
    seconds
        Time between two looks at the folder.
    """

    def __init__(self, folder: str | None, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self._next_look = 0.0
        self._model: RetentionModel | None = None
        self._loaded: Path | None = None
        self._bandit: LinearBandit | None = None

    def current(self, model: RetentionModel) -> LinearBandit:
        """Return the state to rank by."""
        now = time.monotonic()
        if self._bandit is None or self._model is not model:
            self._model, self._loaded, self._bandit = model, None, model.ranker.bandit
            self._next_look = now
        if self._folder is not None and now >= self._next_look:
            self._next_look = now + self._seconds
            self._look(model, self._folder)
        return self._bandit

    def _look(self, model: RetentionModel, folder: str) -> None:
        try:
            newest = newest_state(folder)
            if newest is None or newest == self._loaded:
                return
            self._loaded = newest
            state = read_state(newest, model.compiled_ranking)
        except (BundleError, OSError) as error:
            _LOG.error("%s; the earlier bandit state stays in use", error)
            return
        model.compiled_ranking.warm_up(state.bandit)
        self._bandit = state.bandit
        _LOG.info("options are ranked by bandit state %s", newest.name)
