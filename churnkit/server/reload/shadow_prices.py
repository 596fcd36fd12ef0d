"""The shadow prices of the newest plan, for decisions on single customers."""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.decisions.allocation.shadow_prices import read_prices
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.decisions import Catalogue, ShadowPrices

__all__ = ["PriceReloader"]

_LOG = logging.getLogger("churnkit.server")


@dataclass(frozen=True, slots=True)
class _PriceFile:
    """The file as it was last read, for one catalogue; without prices if no limit binds."""

    stamp: tuple[int, int] | None
    catalogue: Catalogue
    prices: ShadowPrices | None
    digest: str


class PriceReloader:
    """Reads the price file again whenever it has changed.

    A file that is missing, damaged or of another catalogue is logged once; prices that were read
    earlier for the same catalogue stay in use.

    Parameters
    ----------
    path
        Written by ``churnkit plan --prices``.
    seconds
        Time between two looks at the file.
    """

    def __init__(self, path: str | Path, seconds: float) -> None:
        self._path = Path(path)
        self._seconds = seconds
        self._next_look = 0.0
        self._file: _PriceFile | None = None

    def current(self, catalogue: Catalogue) -> tuple[ShadowPrices | None, str]:
        """Return the prices and the short digest of their file; None if no limit binds."""
        file, now = self._file, time.monotonic()
        if file is None or file.catalogue is not catalogue or now >= self._next_look:
            self._next_look = now + self._seconds
            earlier = file if file is not None and file.catalogue is catalogue else None
            file = self._file = self._read(catalogue, earlier)
        return file.prices, file.digest

    def _read(self, catalogue: Catalogue, earlier: _PriceFile | None) -> _PriceFile:
        stamp = self._stamp()
        if earlier is not None and earlier.stamp == stamp:
            return earlier
        try:
            prices = read_prices(self._path, catalogue)
            digest = hashlib.sha256(self._path.read_bytes()).hexdigest()[:12]
        except (RecipeError, OSError) as error:
            if earlier is None or earlier.prices is None:
                _LOG.error("%s; each customer is decided on alone", error)
            else:
                _LOG.error("%s; the earlier prices stay in use", error)
            if earlier is None:
                return _PriceFile(stamp, catalogue, None, "")
            return _PriceFile(stamp, catalogue, earlier.prices, earlier.digest)
        _LOG.info("decisions use the shadow prices %s", digest)
        return _PriceFile(stamp, catalogue, prices, digest)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size
