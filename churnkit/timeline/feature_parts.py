"""Features made of other features: ratios, and features of related products or accounts."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from churnkit.core.predicate import Where
from churnkit.errors import RecipeError
from churnkit.timeline.features.aggregations import (
    Count,
    DistinctDays,
    Last,
    Max,
    Mean,
    Min,
    Recency,
    Share,
    Sum,
    Tenure,
    Trend,
)
from churnkit.timeline.features.base import Feature, Windowed
from churnkit.timeline.features.states import Current, CurrentSum, DaysSince, OpenCount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Ratio", "Related", "base_features", "feature_from_dict", "read_parts"]

_COMBINATIONS = ("mean", "min", "max", "last")


@dataclass(frozen=True)
class Ratio(Feature):
    """One feature divided by another; missing if either is missing or the second is 0.

    Parameters
    ----------
    over
        The numerator.
    under
        The denominator.
    title
        Display name for reasons and reports.

    Examples
    --------
    >>> week, month = Count("events", window_days=7), Count("events", window_days=30)
    >>> Ratio(week, month).over.window_days
    7
    """

    over: Feature
    under: Feature

    def __post_init__(self) -> None:
        for part in (self.over, self.under):
            if not isinstance(part, Feature) or isinstance(part, Ratio):
                raise RecipeError("Ratio: over and under must be features other than Ratio")


@dataclass(frozen=True)
class Related(Windowed):
    """Feature of the products, accounts or other keys in a customer's rows, as of the snapshot.

    For each key in the window's rows, `feature` is computed at `as_of` from the rows of all other
    customers with the same key; rows of the customer itself are left out, so that the feature of a
    product does not contain the behavior that it is to predict. Missing if no key has a value.

    Parameters
    ----------
    table
        Name of the source table that links customers with keys, such as order lines. The rows of a
        table without a time, such as the accounts that users belong to, count at every date.
    key
        Column of the key, of type integer or string; rows without one are ignored.
    feature
        Windowed feature, or ratio of two, of a table that declares a column of the same name:
        `Count`, `Sum`, `Mean`, `Share` or `Trend`. In a table whose `entity` is the key, such as
        the invoices of accounts, all rows count and every windowed feature but `Last` is possible.
    title
        Display name for reasons and reports.
    window_days, lag_days, where
        The rows whose keys count, as in `Count`.
    combine
        ``"mean"`` over the window's rows, ``"min"`` or ``"max"`` of the keys, or ``"last"`` for
        the key of the latest row; the largest key of several at the same time.

    Examples
    --------
    >>> rate = Ratio(Count("returns", window_days=365), Count("orders", window_days=365))
    >>> Related("orders", "product_id", rate, window_days=90).combine
    'mean'
    """

    column_types: ClassVar[tuple[str, ...]] = ("integer", "string")

    key: str
    feature: Feature
    _: KW_ONLY
    combine: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.combine not in _COMBINATIONS:
            raise RecipeError(f"Related: combine must be one of: {', '.join(_COMBINATIONS)}")
        parts = base_features([self.feature]) if isinstance(self.feature, Feature) else [None]
        for part in parts:
            if not isinstance(part, Windowed) or isinstance(part, (Last, Related)):
                raise RecipeError(
                    "Related: feature must be a windowed feature such as Count, Mean or Share, or "
                    f"a Ratio of two; got {type(part).__name__}"
                )

    @property
    def column(self) -> str:
        """The column of the key."""
        return self.key


_KINDS: dict[str, type[Feature]] = {
    kind.__name__: kind
    for kind in (
        Count, Current, CurrentSum, DaysSince, DistinctDays, Last, Max, Mean, Min, OpenCount,
        Ratio, Recency, Related, Share, Sum, Tenure, Trend,
    )
}  # fmt: skip


def feature_from_dict(data: Mapping[str, Any]) -> Feature:
    """Create a feature from the result of `to_dict`.

    Raises
    ------
    RecipeError
        If the kind is unknown.

    Examples
    --------
    >>> feature_from_dict(Count("events", window_days=7).to_dict())
    Count(title='', table='events', window_days=7, lag_days=0, where=())
    """
    stored = dict(data)
    kind = _KINDS.get(str(stored.pop("kind", "")))
    if kind is None:
        raise RecipeError(f"unknown kind of feature; use one of: {', '.join(_KINDS)}")
    for part in ("over", "under", "feature"):
        if part in stored:
            stored[part] = feature_from_dict(stored[part])
    if "where" in stored:
        stored["where"] = tuple(Where.from_dict(condition) for condition in stored["where"])
    return kind(**stored)


def base_features(features: Iterable[Feature]) -> list[Any]:
    """List features with every ratio replaced by its two parts.

    Examples
    --------
    >>> visits, orders = Count("visits"), Count("orders")
    >>> [feature.table for feature in base_features([Ratio(orders, visits)])]
    ['orders', 'visits']
    """
    flat: list[Any] = []
    for feature in features:
        flat += (feature.over, feature.under) if isinstance(feature, Ratio) else (feature,)
    return flat


@dataclass(frozen=True, slots=True)
class _KeyColumn:
    """The key of a related feature's rows."""

    table: str
    column: str
    conditions: tuple[Where, ...] = ()


def read_parts(features: Iterable[Feature]) -> list[Any]:
    """List what features read: parts with a table, conditions and possibly a column and a window.

    Examples
    --------
    >>> feature = Related("orders", "product_id", Count("returns"))
    >>> [part.table for part in read_parts([feature])]
    ['orders', 'returns', 'returns']
    """
    parts: list[Any] = []
    for base in base_features(features):
        parts.append(base)
        if isinstance(base, Related):
            for inner in base_features([base.feature]):
                parts += (inner, _KeyColumn(inner.table, base.key))
    return parts
