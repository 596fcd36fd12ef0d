"""Warnings about customers that are scored: missing values, new categories, values out of range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.server.observability.metrics import Metrics

__all__ = ["InputMonitor"]

_POSITIONS_SHOWN: Final = 5
_REMEDIES: Final = {
    "unknown_category": "read as missing or as (other): retrain if this category is here to stay",
    "out_of_range": "scored as the nearest value of the training range: check the unit",
}
_OTHER_DAY: Final = (
    "scored as the nearest value of the training range: send the date of the row in '{as_of}'"
)


class InputMonitor:
    """Reports values that training did not see, and counts them by column."""

    def __init__(self, model: RetentionModel, metrics: Metrics) -> None:
        self._names = model.contract.feature_names
        as_of = model.contract.as_of
        self._day_remedies = {
            model.contract.features[i].name: _OTHER_DAY.format(as_of=as_of and as_of.name)
            for i in model.contract.date_features
        }
        ranges = model.contents.ranges
        if ranges is None:
            ranges = np.tile([-np.inf, np.inf], (len(self._names), 1))
        self._low, self._high = ranges.T.copy()
        self._missing = [metrics.series("churnkit_cells_missing", name) for name in self._names]
        self._metrics = metrics

    def observe_row(self, values: Sequence[float], unusual: Sequence[int]) -> list[dict[str, Any]]:
        """Return the warnings of one row; `unusual` lists the features to look at."""
        warnings = []
        for position in unusual:
            if values[position] != values[position]:
                self._missing[position].value += 1
            else:
                warnings.append(self._warning(self._names[position], "out_of_range", [0]))
        return warnings

    def observe_table(
        self, encoded: Encoded, probabilities: Sequence[float]
    ) -> list[dict[str, Any]]:
        """Count the scores and return the warnings of the rows that break no rule."""
        valid, features = encoded.valid, encoded.features
        self._metrics.scored_many([p for p in probabilities if p == p])  # noqa: PLR0124 - no NaN
        warnings = []
        unknown = dict.fromkeys(self._names, 0)
        for finding in encoded.warnings:
            rows = finding.positions[valid[finding.positions]]
            if len(rows) and finding.column in unknown:
                codes = features[rows, self._names.index(finding.column)]
                unknown[finding.column] = int(np.isnan(codes).sum())
                warnings.append(self._warning(finding.column, "unknown_category", rows.tolist()))
        missing = (np.isnan(features) & valid[:, None]).sum(axis=0).tolist()
        for position, name in enumerate(self._names):
            self._missing[position].value += missing[position] - unknown[name]
        with np.errstate(invalid="ignore"):
            outside = ((features < self._low) | (features > self._high)) & valid[:, None]
        for position in np.flatnonzero(outside.any(axis=0)).tolist():
            rows = np.flatnonzero(outside[:, position]).tolist()
            warnings.append(self._warning(self._names[position], "out_of_range", rows))
        return warnings

    def _warning(self, column: str, rule: str, rows: list[int]) -> dict[str, Any]:
        is_unknown = rule == "unknown_category"
        counter = "churnkit_cells_unseen" if is_unknown else "churnkit_cells_out_of_range"
        self._metrics.count(counter, column, by=len(rows))
        return {
            "column": column,
            "rule": rule,
            "count": len(rows),
            "positions": rows[:_POSITIONS_SHOWN],
            "remedy": self._day_remedies.get(column, _REMEDIES[rule]),
        }
