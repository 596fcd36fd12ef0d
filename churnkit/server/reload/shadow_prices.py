"""The shadow prices of the newest plan, which one more customer is decided at."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.decisions.allocation.shadow_prices_file import read_prices
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.decisions import Catalogue, ShadowPrices

__all__ = ["Pricing"]

_LOG = logging.getLogger("churnkit.server")


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found last: the file's stamp, for which catalogue, and the prices, if any."""

    stamp: tuple[int, int] | None
    catalogue: Catalogue
    prices: ShadowPrices | None
    digest: str


class Pricing:
    """Reads the file of prices again whenever it has changed.

    A file that is missing, damaged or of another catalogue is told once in the log; prices that
    were read before for the same catalogue stay.

    Parameters
    ----------
    path
        What ``churnkit plan --prices`` writes.
    seconds
        How often the file is looked at, at most.
    """

    def __init__(self, path: str | Path, seconds: float) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._next = 0.0
        self._known: _Known | None = None

    def now(self, catalogue: Catalogue) -> tuple[ShadowPrices | None, str]:
        """Return the prices and the short digest of their file; None for no limits that bind."""
        known, moment = self._known, time.monotonic()
        if known is None or known.catalogue is not catalogue or moment >= self._next:
            self._next = moment + self._seconds
            known = self._known = self._look(catalogue, known)
        return known.prices, known.digest

    def _look(self, catalogue: Catalogue, known: _Known | None) -> _Known:
        stamp = self._stamp()
        if known is not None and known.catalogue is catalogue and known.stamp == stamp:
            return known
        try:
            prices = read_prices(self._path, catalogue)
            digest = hashlib.sha256(self._path.read_bytes()).hexdigest()[:12]
        except (RecipeError, OSError) as error:
            kept = known if known is not None and known.catalogue is catalogue else None
            stays = kept is not None and kept.prices is not None
            _LOG.error(
                "%s; %s",
                error,
                "the prices of before stay" if stays else "each customer is decided on alone",
            )
            if kept is None:
                return _Known(stamp, catalogue, None, "")
            return _Known(stamp, catalogue, kept.prices, kept.digest)
        _LOG.info("customers are decided on at the prices %s", digest)
        return _Known(stamp, catalogue, prices, digest)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
