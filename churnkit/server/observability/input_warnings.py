"""What is strange about customers that can be scored: gaps, new categories, far-off numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.server.observability.metrics import Metrics

__all__ = ["Observer", "Warnings"]

_POSITIONS_SHOWN: Final = 5
_MENDS: Final = {
    "unknown_category": "read as missing: train again if this category is here to stay",
    "out_of_range": "scored as the nearest number that training saw: check the unit",
}
Warnings = list[dict[str, Any]]


class Observer:
    """Notes for each request what training did not see, and counts it by column.

    Parameters
    ----------
    model
        Whose bundle says which ranges training saw.
    metrics
        Where columns are counted.
    """

    def __init__(self, model: RetentionModel, metrics: Metrics) -> None:
        self._names = [column.name for column in model.contract.features]
        count = len(self._names)
        ranges = model.parts.ranges
        self._low = np.full(count, -np.inf) if ranges is None else ranges[:, 0].copy()
        self._high = np.full(count, np.inf) if ranges is None else ranges[:, 1].copy()
        self._limits = list(zip(range(count), self._low.tolist(), self._high.tolist(), strict=True))
        self._missing = [metrics.series("churnkit_cells_missing", name) for name in self._names]
        self._metrics = metrics

    def row(self, values: Sequence[float], probability: float) -> Warnings:
        """Observe one clean row: its encoded features, none of an unknown category."""
        self._metrics.scored(probability)
        # NaN is in no range, so one comparison a column finds gaps and far-off numbers alike.
        strange = [
            place
            for (place, low, high), value in zip(self._limits, values, strict=False)
            if not low <= value <= high
        ]
        if not strange:
            return []
        far = []
        for place in strange:
            if values[place] != values[place]:
                self._missing[place].value += 1
            else:
                far.append(place)
        return [self._warn(self._names[place], "out_of_range", [0]) for place in far]

    def table(self, encoded: Encoded, probabilities: Sequence[float]) -> Warnings:
        """Observe the rows that break no rule."""
        valid = encoded.valid
        clean = bool(valid.all())
        self._metrics.scored_many([p for p in probabilities if p == p])  # noqa: PLR0124 - no NaN
        features = encoded.features
        warnings = []
        unknown = dict.fromkeys(self._names, 0)
        for finding in encoded.warnings:
            places = finding.positions if clean else finding.positions[valid[finding.positions]]
            if len(places) and finding.column in unknown:
                unknown[finding.column] = len(places)
                warnings.append(self._warn(finding.column, "unknown_category", places.tolist()))
        gaps = (np.isnan(features) & valid[:, None]).sum(axis=0).tolist()
        for place, name in enumerate(self._names):
            self._missing[place].value += gaps[place] - unknown[name]
        with np.errstate(invalid="ignore"):
            far = ((features < self._low) | (features > self._high)) & valid[:, None]
        for place in np.flatnonzero(far.any(axis=0)).tolist():
            rows = np.flatnonzero(far[:, place]).tolist()
            warnings.append(self._warn(self._names[place], "out_of_range", rows))
        return warnings

    def _warn(self, column: str, rule: str, rows: list[int]) -> dict[str, Any]:
        unseen = rule == "unknown_category"
        counter = "churnkit_cells_unseen" if unseen else "churnkit_cells_out_of_range"
        self._metrics.count(counter, column, by=len(rows))
        return {
            "column": column,
            "rule": rule,
            "count": len(rows),
            "positions": rows[:_POSITIONS_SHOWN],
            "remedy": _MENDS[rule],
        }
