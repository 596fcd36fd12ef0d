"""Who is looked at, and what counts as leaving.

An outcome window is half-open: ``[as_of + gap_days, as_of + gap_days + horizon_days)``. What
happened counts there, whenever it was known.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.predicate import Where, as_conditions
from churnkit.errors import RecipeError
from churnkit.timeline.aggregations import whole_days

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "ActiveSubscription",
    "ActiveWithin",
    "ContractualChurn",
    "Eligibility",
    "InactivityChurn",
    "Label",
    "RevenueContraction",
    "eligibility_from_dict",
    "label_from_dict",
]


@dataclass(frozen=True)
class ActiveSubscription:
    """Customers with something that runs at the date, such as a subscription.

    Examples
    --------
    >>> ActiveSubscription("subscriptions").table
    'subscriptions'
    """

    table: str
    _: KW_ONLY
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on the rows that it reads."""
        return as_conditions(self.where)


@dataclass(frozen=True)
class ActiveWithin:
    """Customers with a row known in the last `days` before the date.

    Examples
    --------
    >>> ActiveWithin("orders", days=180).days
    180
    """

    table: str
    _: KW_ONLY
    days: int
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))
        whole_days("ActiveWithin", "days", self.days, least=1)

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on the rows that it reads."""
        return as_conditions(self.where)


Eligibility = ActiveSubscription | ActiveWithin


@dataclass(frozen=True)
class _Outcome:
    table: str
    _: KW_ONLY
    horizon_days: int
    gap_days: int = 0
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))
        whole_days(type(self).__name__, "horizon_days", self.horizon_days, least=1)
        whole_days(type(self).__name__, "gap_days", self.gap_days, least=0)

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on the rows that it reads."""
        return as_conditions(self.where)

    @property
    def mature_days(self) -> int:
        """Days after `as_of` from which the label is known."""
        return self.gap_days + self.horizon_days


@dataclass(frozen=True)
class ContractualChurn(_Outcome):
    """The last subscription ends within the outcome window and none follows within the grace.

    Who leaves between `as_of` and the window has no label: there is nobody left to keep, and
    they did not stay.

    Examples
    --------
    >>> ContractualChurn("subscriptions", horizon_days=90, grace_days=30).mature_days
    120
    """

    _: KW_ONLY
    grace_days: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_days("ContractualChurn", "grace_days", self.grace_days, least=0)

    @property
    def mature_days(self) -> int:
        """Days after `as_of` from which the label is known: who left last may still return."""
        return self.gap_days + self.horizon_days + self.grace_days


@dataclass(frozen=True)
class InactivityChurn(_Outcome):
    """No row happens within the outcome window.

    Examples
    --------
    >>> InactivityChurn("orders", horizon_days=90).mature_days
    90
    """


@dataclass(frozen=True)
class RevenueContraction(_Outcome):
    """What runs at the end of the outcome window is worth less by at least `share`.

    Compared with what ran at `as_of`; without revenue there, there is no label.

    Examples
    --------
    >>> RevenueContraction("subscriptions", column="mrr", share=0.2, horizon_days=180).share
    0.2
    """

    _: KW_ONLY
    column: str
    share: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.share, (int, float)) or not 0.0 < self.share <= 1.0:
            raise RecipeError("RevenueContraction: share is a number above 0, up to 1")
        object.__setattr__(self, "share", float(self.share))


Label = ContractualChurn | InactivityChurn | RevenueContraction

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        ActiveSubscription, ActiveWithin, ContractualChurn, InactivityChurn, RevenueContraction
    )
}  # fmt: skip


def as_dict(one: Any) -> dict[str, Any]:
    """Return an eligibility or a label as JSON-able data."""
    stored = asdict(one)
    stored["where"] = [condition.to_dict() for condition in one.conditions]
    return {"kind": type(one).__name__, **stored}


def eligibility_from_dict(data: Mapping[str, Any]) -> Eligibility:
    """Rebuild an eligibility from `as_dict`."""
    found: Eligibility = _rebuild(data)
    return found


def label_from_dict(data: Mapping[str, Any]) -> Label:
    """Rebuild a label from `as_dict`."""
    found: Label = _rebuild(data)
    return found


def _rebuild(data: Mapping[str, Any]) -> Any:
    stored = dict(data)
    kind = _KINDS.get(str(stored.pop("kind", "")))
    if kind is None:
        raise RecipeError(f"there is nothing of this kind; there are: {', '.join(_KINDS)}")
    stored["where"] = tuple(Where.from_dict(condition) for condition in stored["where"])
    return kind(**stored)
