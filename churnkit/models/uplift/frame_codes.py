"""Category codes for the columns of a frame that hold categories or text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

__all__ = ["FrameCodes"]


@dataclass(frozen=True, slots=True)
class FrameCodes:
    """Codes learned from a frame.

    Attributes
    ----------
    levels
        For each encoded column, by its position, its categories in the order of their codes.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"plan": ["b", "a"], "fee": [1.0, 2.0]})
    >>> FrameCodes.learn(frame).encode(frame)["plan"].tolist()
    [1.0, 0.0]
    """

    levels: dict[int, tuple[Any, ...]]

    @property
    def columns(self) -> tuple[int, ...]:
        """Positions of the encoded columns."""
        return tuple(self.levels)

    @classmethod
    def learn(cls, X: Any) -> Self:
        """Learn the categories of a pandas frame; of a matrix there are none."""
        if not _is_frame(X):
            return cls({})
        levels = {}
        for at, name in enumerate(X.columns):
            column = X[name]
            if hasattr(column, "cat"):
                levels[at] = tuple(column.cat.categories)
            elif column.dtype.kind not in "biufc" and not str(column.dtype).startswith(
                ("Int", "Float", "UInt", "boolean", "datetime")
            ):
                levels[at] = tuple(sorted(column.dropna().unique().tolist(), key=str))
        return cls(levels)

    def encode(self, X: Any) -> Any:
        """Replace categories with codes; those that were not learned become missing."""
        if not self.levels or not _is_frame(X):
            return X
        encoded = X.copy()
        for at, categories in self.levels.items():
            if at < len(X.columns):
                code = {category: float(place) for place, category in enumerate(categories)}
                encoded[X.columns[at]] = [
                    code.get(value, np.nan) for value in X.iloc[:, at].astype(object)
                ]
        return encoded


def _is_frame(X: Any) -> bool:
    return hasattr(X, "iloc") and hasattr(X, "columns")
