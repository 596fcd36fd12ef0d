"""Settings of metric definitions on which vendors differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from churnkit.core.result import Result
from churnkit.core.translation import _, ngettext
from churnkit.errors import RecipeError

__all__ = ["RetentionSettings"]

_SameMonth = Literal["left out", "counted"]
_Paused = Literal["kept", "lost"]
_PartialLoss = Literal["contraction", "churn"]


@dataclass(frozen=True, slots=True)
class RetentionSettings(Result):
    """Definitions of retention metrics.

    Parameters
    ----------
    same_month
        Customers who join and leave within one month: ``"left out"`` of both counts, or
        ``"counted"`` as joined and as lost, with their revenue in new and in churn.
    paused
        Subscriptions with a status in `paused_statuses`: ``"kept"`` for a customer who pays
        nothing (contraction, then expansion on resumption), or ``"lost"`` for churn until then.
    paused_statuses
        Values of the column ``status`` that mark a paused subscription.
    partial_loss
        Loss of one of several subscriptions: ``"contraction"``, or ``"churn"`` of its revenue. The
        customer stays in either case.
    reactivation_in_nrr
        Whether revenue of returning customers counts as retained.
    margin
        Gross margin as a share of revenue, for lifetime value.
    months
        Number of months in tables by month.
    grace_days
        Customers who return within this many days have not churned; for survival and later churn.
    horizon_days
        Days after a survey, ticket or event within which churn counts.

    Raises
    ------
    RecipeError
        If a value is unknown or out of range.

    Examples
    --------
    >>> RetentionSettings(partial_loss="churn").partial_loss
    'churn'
    """

    same_month: _SameMonth = "left out"
    paused: _Paused = "kept"
    paused_statuses: tuple[str, ...] = ("paused",)
    partial_loss: _PartialLoss = "contraction"
    reactivation_in_nrr: bool = False
    margin: float = 0.7
    months: int = 24
    grace_days: int = 0
    horizon_days: int = 90

    def __post_init__(self) -> None:
        for name, choices in (
            ("same_month", get_args(_SameMonth)),
            ("paused", get_args(_Paused)),
            ("partial_loss", get_args(_PartialLoss)),
        ):
            if getattr(self, name) not in choices:
                raise RecipeError(
                    f"{name} must be {' or '.join(map(repr, choices))}, got {getattr(self, name)!r}"
                )
        if not 0.0 < self.margin <= 1.0:
            raise RecipeError(f"margin must be above 0 and at most 1, got {self.margin}")
        for name, least in (("months", 1), ("grace_days", 0), ("horizon_days", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"{name} must be at least {least}, got {getattr(self, name)}")
        object.__setattr__(self, "paused_statuses", tuple(self.paused_statuses))

    def describe(self) -> tuple[str, ...]:
        """Describe each definition in a sentence.

        Examples
        --------
        >>> RetentionSettings().describe()[0]
        'Customers who join and leave within one month are excluded from both counts.'
        """
        month = {
            "left out": _("are excluded from both counts"),
            "counted": _("count as joined and as lost"),
        }[self.same_month]
        paused = {
            "kept": _("remain customers without revenue"),
            "lost": _("count as lost until they resume"),
        }[self.paused]
        partial = {
            "contraction": _("counts as contraction"),
            "churn": _("counts as revenue churn"),
        }[self.partial_loss]
        returned = _("counts") if self.reactivation_in_nrr else _("does not count")
        return (
            _("Customers who join and leave within one month {month}.", month=month),
            _("Customers with a paused subscription {paused}.", paused=paused),
            _("The loss of one of several subscriptions {partial}.", partial=partial),
            _("Revenue of returning customers {returned} as retained.", returned=returned),
            ngettext(
                "Customers who return within {count} day have not churned.",
                "Customers who return within {count} days have not churned.",
                self.grace_days,
            )
            if self.grace_days
            else _("Customers who return after a gap churned in between."),
        )
