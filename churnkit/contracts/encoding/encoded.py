"""The encoded rows: feature matrix, customer ids and rule violations."""

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
    """Rows that were parsed, checked and encoded, in their original order.

    Parameters
    ----------
    entity
        The customers' ids in their original type, (n,): a list or an Arrow array.
    matrix
        Float64, (n, k): the contract's encoded columns, features first. Values that could not
        be encoded are NaN.
    n_features
        The number of feature columns among the k.
    findings
        Violated rules with their rows.
    warnings
        Categories that training did not see, read as missing.
    """

    # Customer values must not appear in logs or tracebacks.
    entity: Sequence[Any] = field(repr=False)
    matrix: NDArray[np.float64] = field(repr=False)
    n_features: int
    findings: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def features(self) -> NDArray[np.float64]:
        """The inputs of the model, (n, f)."""
        return self.matrix[:, : self.n_features]

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Mask of the rows without violations, (n,)."""
        mask = np.ones(len(self.matrix), dtype=bool)
        for finding in self.findings:
            mask[finding.positions] = False
        return mask

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The violated rules as public records."""
        return to_violations(self.findings)

    def reasons(self) -> dict[int, str]:
        """Map each invalid row to the rules that it violates."""
        return reasons_by_row(self.findings)
