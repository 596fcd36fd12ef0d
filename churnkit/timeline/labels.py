"""Eligible customers and churn labels.

An outcome window is half-open: ``[as_of + gap_days, as_of + gap_days + horizon_days)``. Outcomes
count when they happened, whenever they became known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.core.predicate import Where, as_conditions
from churnkit.errors import RecipeError
from churnkit.timeline.features.base import check_days

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "OTHER_CAUSE",
    "ActiveSubscription",
    "ActiveWithin",
    "Cause",
    "ChurnEvents",
    "ContractualChurn",
    "Eligibility",
    "EventChurn",
    "InactivityChurn",
    "Label",
    "ObservedChurn",
    "RevenueContraction",
    "label_cause",
    "rule_from_dict",
    "rule_to_dict",
]


OTHER_CAUSE = "other"
"""The cause of recorded reasons that no group of a `Cause` lists."""


@dataclass(frozen=True)
class Cause:
    """The recorded reason of churn, and the causes that reasons belong to.

    Parameters
    ----------
    column
        Column of the label's table with the reason, of type string.
    groups
        Reasons of each cause: ``{"involuntary": ("card expired", "fraud")}``. Other reasons
        count as ``"other"``. Without groups each reason is a cause. Spaces, tabs and line ends
        around a reason do not count, neither here nor in the column.

    Raises
    ------
    RecipeError
        If a name is empty or listed twice, or a reason belongs to two causes.

    Examples
    --------
    >>> Cause("end_reason", {"involuntary": ["card expired"], "voluntary": ["price"]}).groups
    (('involuntary', ('card expired',)), ('voluntary', ('price',)))
    """

    column: str
    groups: Mapping[str, Sequence[str]] | tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.column, str) or not self.column:
            raise RecipeError("cause: column must be the name of a column")
        pairs = self.groups.items() if isinstance(self.groups, Mapping) else self.groups
        groups = tuple((name, _reasons(name, reasons)) for name, reasons in pairs)
        object.__setattr__(self, "groups", groups)
        seen: set[str] = set()
        if len(dict(groups)) < len(groups):
            raise RecipeError("cause: two groups have the same name: join their reasons")
        for name, reasons in groups:
            repeated = seen.intersection(reasons)
            if repeated:
                raise RecipeError(
                    f"cause '{name}': the reason '{min(repeated)}' is listed for two causes"
                )
            seen.update(reasons)


def _reasons(name: Any, reasons: Any) -> tuple[str, ...]:
    if not isinstance(name, str) or not name.strip(BLANKS):
        raise RecipeError("cause: groups must have names")
    listed = (reasons,) if isinstance(reasons, str) else tuple(reasons)
    if not listed or not all(isinstance(one, str) and one.strip(BLANKS) for one in listed):
        raise RecipeError(f"cause '{name}': list its reasons, each a text")
    return tuple(dict.fromkeys(one.strip(BLANKS) for one in listed))


@dataclass(frozen=True)
class ActiveSubscription:
    """Customers with an active row at the date, such as a subscription.

    Parameters
    ----------
    table
        Name of the source table.
    where
        Condition or conditions on the rows.

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
        """The conditions on its rows."""
        return as_conditions(self.where)


@dataclass(frozen=True)
class ChurnEvents:
    """Rows that mark a customer as churned, such as cancellations.

    Parameters
    ----------
    table
        Name of the source table.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> ChurnEvents("events", where=Where("kind", "==", "cancelled")).conditions[0].value
    'cancelled'
    """

    table: str
    _: KW_ONLY
    where: Where | Sequence[Where] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on its rows."""
        return as_conditions(self.where)


@dataclass(frozen=True)
class ActiveWithin:
    """Customers with a row that became known in the last `days` before the date.

    Parameters
    ----------
    table
        Name of the source table.
    days
        Days before the date.
    where
        Condition or conditions on the rows.
    unless
        Rows that mark customers as churned: customers whose last such row is not followed by
        activity on a later day are left out.

    Examples
    --------
    >>> ActiveWithin("orders", days=180).days
    180
    """

    table: str
    _: KW_ONLY
    days: int
    where: Where | Sequence[Where] = ()
    unless: ChurnEvents | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", as_conditions(self.where))
        check_days("ActiveWithin", "days", self.days, minimum=1)

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on its rows."""
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
        check_days(type(self).__name__, "horizon_days", self.horizon_days, minimum=1)
        check_days(type(self).__name__, "gap_days", self.gap_days, minimum=0)

    @property
    def conditions(self) -> tuple[Where, ...]:
        """The conditions on its rows."""
        return as_conditions(self.where)

    @property
    def mature_days(self) -> int:
        """Days after `as_of` until the label is known."""
        return self.gap_days + self.horizon_days


@dataclass(frozen=True)
class _RecordedOutcome(_Outcome):
    _: KW_ONLY
    cause: Cause | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.cause, str):
            object.__setattr__(self, "cause", Cause(self.cause))
        if self.cause is not None and not isinstance(self.cause, Cause):
            raise RecipeError(
                f"{type(self).__name__}: cause must be a column or Cause(column, groups)"
            )


@dataclass(frozen=True)
class ContractualChurn(_RecordedOutcome):
    """The last subscription ends in the outcome window and none follows in the grace period.

    Customers who leave between `as_of` and the window have no label: they can no longer be
    retained, but they did not stay.

    Parameters
    ----------
    table
        Name of the source table.
    horizon_days
        Length of the outcome window in days.
    gap_days
        Days from `as_of` to the outcome window.
    where
        Condition or conditions on the rows.
    cause
        Column with the reason of the end, or a `Cause` that groups reasons. Of several ends in the
        window the first counts.
    grace_days
        Days after an end in which a new subscription counts as a continuation.

    Examples
    --------
    >>> ContractualChurn("subscriptions", horizon_days=90, grace_days=30).mature_days
    120
    """

    _: KW_ONLY
    grace_days: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_days("ContractualChurn", "grace_days", self.grace_days, minimum=0)

    @property
    def mature_days(self) -> int:
        """Days after `as_of` until the label is known: the grace period must be over."""
        return self.gap_days + self.horizon_days + self.grace_days


@dataclass(frozen=True)
class InactivityChurn(_Outcome):
    """No row happens in the outcome window.

    Parameters
    ----------
    table
        Name of the source table.
    horizon_days
        Length of the outcome window in days.
    gap_days
        Days from `as_of` to the outcome window.
    where
        Condition or conditions on the rows.

    Examples
    --------
    >>> InactivityChurn("orders", horizon_days=90).mature_days
    90
    """


@dataclass(frozen=True)
class RevenueContraction(_Outcome):
    """Active revenue at the end of the outcome window is lower by at least `share`.

    It is compared with the active revenue at `as_of`; without revenue there is no label.

    Parameters
    ----------
    table
        Name of the source table.
    horizon_days
        Length of the outcome window in days.
    gap_days
        Days from `as_of` to the outcome window.
    where
        Condition or conditions on the rows.
    column
        Column of the table.
    share
        Smallest loss of revenue as a share, above 0 and at most 1.

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
            raise RecipeError("RevenueContraction: share must be above 0 and at most 1")
        object.__setattr__(self, "share", float(self.share))


@dataclass(frozen=True)
class EventChurn(_RecordedOutcome):
    """A row happens in the outcome window, such as a cancellation.

    Parameters
    ----------
    table
        Name of the source table.
    horizon_days
        Length of the outcome window in days.
    gap_days
        Days from `as_of` to the outcome window.
    where
        Condition or conditions on the rows.
    cause
        Column with the reason, or a `Cause` that groups reasons. Of several rows in the window
        the first day's counts.

    Examples
    --------
    >>> EventChurn("events", horizon_days=30, where=Where("kind", "==", "cancelled")).mature_days
    30
    """


@dataclass(frozen=True)
class ObservedChurn(_RecordedOutcome):
    """The outcome is recorded in a table: customers whose row meets the conditions churned.

    Customers without a row, or with a missing value in a column that a condition compares, have no
    label; ``is known`` and ``is missing`` compare nothing.

    Parameters
    ----------
    table
        Name of the source table.
    horizon_days
        Days after `as_of` to which the recorded outcome refers.
    gap_days
        Days from `as_of` to the outcome window.
    where
        Condition or conditions on the rows that mean churned.
    cause
        Column with the reason, or a `Cause` that groups reasons.
    dated
        True if the rows have the `as_of` to which the outcome refers as their time. Otherwise
        the outcome refers to every date of the timeline.

    Examples
    --------
    >>> ObservedChurn("labels", horizon_days=30, where=Where("is_churn", "==", "1")).dated
    False
    """

    _: KW_ONLY
    dated: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.conditions:
            raise RecipeError("ObservedChurn: pass where=, the condition that means churned")


Label = ContractualChurn | InactivityChurn | RevenueContraction | EventChurn | ObservedChurn

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        ActiveSubscription, ActiveWithin, ContractualChurn, InactivityChurn, RevenueContraction,
        EventChurn, ObservedChurn,
    )
}  # fmt: skip


def label_cause(label: Any) -> Cause | None:
    """Return the cause of a label; None if it has none."""
    cause: Cause | None = getattr(label, "cause", None)
    return cause


def rule_to_dict(rule: Eligibility | Label) -> dict[str, Any]:
    """Return an eligibility or a label as JSON-serializable data."""
    stored = asdict(rule)
    # Omitted if unset, so that timelines of earlier versions keep their text.
    cause = stored.pop("cause", None) and label_cause(rule)
    if cause:
        stored["cause"] = {"column": cause.column, "groups": dict(cause.groups)}
    stored["where"] = [condition.to_dict() for condition in rule.conditions]
    unless = stored.pop("unless", None) and getattr(rule, "unless", None)
    if unless:
        conditions = [condition.to_dict() for condition in unless.conditions]
        stored["unless"] = {"table": unless.table, "where": conditions}
    return {"kind": type(rule).__name__, **stored}


def rule_from_dict(data: Mapping[str, Any]) -> Any:
    """Create an eligibility or a label from the result of `rule_to_dict`."""
    stored = dict(data)
    kind = _KINDS.get(str(stored.pop("kind", "")))
    if kind is None:
        raise RecipeError(f"unknown kind of label; use one of: {', '.join(_KINDS)}")
    stored["where"] = _conditions(stored["where"])
    if stored.get("cause"):
        stored["cause"] = Cause(stored["cause"]["column"], stored["cause"]["groups"])
    if stored.get("unless"):
        unless = stored["unless"]
        stored["unless"] = ChurnEvents(unless["table"], where=_conditions(unless["where"]))
    return kind(**stored)


def _conditions(stored: Sequence[Any]) -> tuple[Where, ...]:
    return tuple(Where.from_dict(condition) for condition in stored)
