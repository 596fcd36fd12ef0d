"""Where definitions of retention differ: which one is meant."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from churnkit.errors import RecipeError

__all__ = ["RetentionSettings"]

_SameMonth = Literal["left out", "counted"]
_Paused = Literal["kept", "lost"]
_PartialLoss = Literal["contraction", "churn"]


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Declared choices, since vendors disagree.

    Parameters
    ----------
    same_month
        Who joins and leaves within one month: ``"left out"`` of joiners and leavers, or
        ``"counted"`` as both. Their revenue adds to new and to churn, or to neither.
    paused
        A subscription whose status is one of `paused_statuses`: ``"kept"``, the customer stays
        and pays nothing meanwhile (contraction, and expansion when it goes on); or ``"lost"``,
        the customer has left until then.
    paused_statuses
        What the column ``status`` says of a paused subscription.
    partial_loss
        A customer who loses one of several subscriptions: ``"contraction"``, or ``"churn"`` of
        that subscription's revenue (the customer stays in either case).
    reactivation_in_nrr
        Whether the revenue of customers who came back within the time counts as retained.
    margin
        Share of revenue that is left after the costs of serving, for lifetime value.
    months
        How many months back the tables go.
    grace_days
        Who begins again within so many days has not left; for survival and later churn.
    horizon_days
        How far "later churn" looks ahead of a survey.

    Raises
    ------
    RecipeError
        If a choice is unknown or a number out of range.

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
        for name, known in (
            ("same_month", get_args(_SameMonth)),
            ("paused", get_args(_Paused)),
            ("partial_loss", get_args(_PartialLoss)),
        ):
            if getattr(self, name) not in known:
                raise RecipeError(
                    f"{name} is '{getattr(self, name)}'; say {' or '.join(map(repr, known))}"
                )
        if not 0.0 < self.margin <= 1.0:
            raise RecipeError("margin is a share of revenue, above 0 and not above 1")
        for name, least in (("months", 1), ("grace_days", 0), ("horizon_days", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"{name} is {getattr(self, name)}; choose {least} or more")
        object.__setattr__(self, "paused_statuses", tuple(self.paused_statuses))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-able data."""
        return {**asdict(self), "paused_statuses": list(self.paused_statuses)}

    def in_words(self) -> tuple[str, ...]:
        """Say each choice in a sentence, for the foot of a report.

        Examples
        --------
        >>> RetentionSettings().in_words()[0]
        'Who joins and leaves within one month is left out of both counts.'
        """
        month = {
            "left out": "is left out of both counts",
            "counted": "counts as joined and as left",
        }[self.same_month]
        paused = {
            "kept": "is still a customer, who pays nothing meanwhile",
            "lost": "has left until it goes on",
        }[self.paused]
        partial = {
            "contraction": "is contraction",
            "churn": "is revenue churn, and the customer stays",
        }[self.partial_loss]
        returned = "counts" if self.reactivation_in_nrr else "does not count"
        return (
            f"Who joins and leaves within one month {month}.",
            f"A customer whose subscription is paused {paused}.",
            f"Losing one of several subscriptions {partial}.",
            f"Revenue of customers who came back {returned} as retained.",
            f"Who begins again within {self.grace_days} days has not left."
            if self.grace_days
            else "Who begins again later has left in between.",
        )
