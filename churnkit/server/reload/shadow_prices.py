"""The shadow prices of the newest plan, for decisions on single customers."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.core.io.watch import FileWatch
from churnkit.decisions.allocation.plan import read_prices
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.decisions import Catalogue, ShadowPrices

__all__ = ["PriceReloader"]

_LOG = logging.getLogger("churnkit.server")


@dataclass(frozen=True, slots=True)
class _PriceFile:
    """The file as it was last read, for one catalogue; without prices if no limit binds."""

    catalogue: Catalogue
    prices: ShadowPrices | None = None
    digest: str = ""


class PriceReloader:
    """Reads the price file again whenever it has changed.

    A file that is missing, damaged or of another catalogue is logged once; prices that were read
    earlier for the same catalogue stay in use.

    Parameters
    ----------
    path
        Written by ``churnkit plan --prices``.
    seconds
        Minimum time between two looks at the file.
    """

    def __init__(self, path: str | Path, seconds: float) -> None:
        self._path = Path(path)
        self._watch = FileWatch(path, seconds)
        self._file: _PriceFile | None = None

    def current(self, catalogue: Catalogue) -> tuple[ShadowPrices | None, str]:
        """Return the prices and the short digest of their file; None if no limit binds."""
        file = self._file
        if file is None or file.catalogue is not catalogue:
            file = self._file = self._read(_PriceFile(catalogue))
        elif self._watch.changed():
            file = self._file = self._read(file)
        return file.prices, file.digest

    def _read(self, earlier: _PriceFile) -> _PriceFile:
        try:
            prices = read_prices(self._path, earlier.catalogue)
            digest = hashlib.sha256(self._path.read_bytes()).hexdigest()[:12]
        except (RecipeError, OSError) as error:
            if earlier.prices is None:
                _LOG.error("%s; each customer is decided on alone", error)
            else:
                _LOG.error("%s; the earlier prices stay in use", error)
            return earlier
        _LOG.info("decisions use the shadow prices %s", digest)
        return _PriceFile(earlier.catalogue, prices, digest)
