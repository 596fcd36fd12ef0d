"""What reading with a contract gives: the matrix, the ids, and what was wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.validation.violations import (
    Finding,
    Violation,
    reasons_by_row,
    to_violations,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Encoded"]


@dataclass(frozen=True)
class Encoded:
    """A table or a list of rows, read, checked and encoded; in the order that it came.

    Parameters
    ----------
    entity
        The customers' ids as they were given (n): a list or an Arrow array.
    matrix
        Float64, (n, k): the contract's encoded columns, features first. Rows that break a
        rule hold NaN where the value could not be encoded.
    n_features
        How many of the k columns a model reads.
    findings
        Broken rules with the rows that break them.
    warnings
        Categories that training never saw, read as missing.
    """

    # Customers' values stay out of what a log or a traceback may show.
    entity: Sequence[Any] = field(repr=False)
    matrix: NDArray[np.float64] = field(repr=False)
    n_features: int
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def features(self) -> NDArray[np.float64]:
        """The columns that a model reads, (n, f)."""
        return self.matrix[:, : self.n_features]

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Which rows break no rule, (n,)."""
        mask = np.ones(len(self.matrix), dtype=bool)
        for finding in self.findings:
            mask[finding.positions] = False
        return mask

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The broken rules as they are shown, stored and sent."""
        return to_violations(self.findings)

    def reasons(self) -> dict[int, str]:
        """Say for each invalid row which rules it breaks."""
        return reasons_by_row(self.findings)
