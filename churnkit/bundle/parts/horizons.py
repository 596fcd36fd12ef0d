"""Horizons of a model's churn risk, at-risk revenue and expected gain, and their labels.

At-risk revenue counts the revenue of the same periods as the gain of a plan:

    at-risk revenue = churn_probability x value x periods x margin

An action that prevents a share of the churn therefore saves that share of the at-risk revenue; the
gain is the saving net of the cost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.translation import _, fill_text, mark_plural, mark_text, ngettext, plural_form

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.contract import Contract
    from churnkit.contracts.schema.column import Column
    from churnkit.decisions import Catalogue

__all__ = ["Horizons", "customer_values", "find_horizons", "revenue_at_risk", "state_horizons"]

_OUTCOME_WINDOW = mark_text("the outcome window of the experiment")
# Per period, and a number of periods.
_PERIODS = {
    "period": (mark_text("a period"), mark_plural("{count:g} period", "{count:g} periods")),
    "week": (mark_text("a week"), mark_plural("{count:g} week", "{count:g} weeks")),
    "month": (mark_text("a month"), mark_plural("{count:g} month", "{count:g} months")),
    "quarter": (mark_text("a quarter"), mark_plural("{count:g} quarter", "{count:g} quarters")),
    "year": (mark_text("a year"), mark_plural("{count:g} year", "{count:g} years")),
}


@dataclass(frozen=True, slots=True)
class Horizons:
    """Horizons and units of a model's figures.

    Parameters
    ----------
    risk_days
        Days that the churn probability looks ahead; None if the model does not state them.
    value_span
        Time over which a retained customer's value counts: ``"12 months"``, or one period without
        actions.
    gain_span
        Time over which the gain of an action counts; that of `value_span` unless an experiment
        measured revenue.
    period
        Period of a customer's value: ``"a month"``, or ``"a period"`` if unknown.
    margin
        Share of the value that is profit.
    currency
        ISO 4217 code; empty if unknown.

    Examples
    --------
    >>> horizons = Horizons(90, "12 months", "12 months", "a month")
    >>> horizons.risk_label, horizons.at_risk_label
    ('Churn risk, next 90 days', 'At-risk revenue over 12 months')
    """

    risk_days: int | None = None
    value_span: str = "one period"
    gain_span: str = ""
    period: str = "a period"
    margin: float = 1.0
    currency: str = ""

    @property
    def next_days(self) -> str:
        """Horizon of the churn probability as the ending of a label."""
        return (
            ngettext(", next {count} day", ", next {count} days", self.risk_days)
            if self.risk_days
            else _(", horizon of the label")
        )

    @property
    def over_gain(self) -> str:
        """Horizon of the gain as the ending of a label."""
        return _(" over {gain_span}", gain_span=self.gain_span) if self.gain_span else ""

    @property
    def risk_label(self) -> str:
        """Label of the churn probability."""
        return _("Churn risk{next_days}", next_days=self.next_days)

    @property
    def at_risk_label(self) -> str:
        """Label of value times churn probability; a margin below 1 makes it a margin."""
        if self.margin < 1.0:
            return _("At-risk margin over {span}", span=self.value_span)
        return _("At-risk revenue over {span}", span=self.value_span)

    @property
    def at_risk_noun(self) -> str:
        """The money that is at risk: ``"revenue"``, or ``"margin"`` with a margin below 1."""
        return _("margin") if self.margin < 1.0 else _("revenue")

    @property
    def value_label(self) -> str:
        """Label of a customer's value of one period."""
        return _("Revenue {period}", period=self.period)

    @property
    def gain_label(self) -> str:
        """Label of the gain of an action or a plan, net of cost."""
        return _("Expected gain{over_gain}", over_gain=self.over_gain)

    @property
    def at_risk_definition(self) -> str:
        """Definition of the at-risk revenue of a customer."""
        margin = _(" x margin of {margin:.0%}", margin=self.margin) if self.margin < 1.0 else ""
        days = (
            ngettext(" in the next {count} day", " in the next {count} days", self.risk_days)
            if self.risk_days
            else ""
        )
        return _(
            "churn risk{days} x revenue {period} x {value_span}{margin}",
            days=days,
            period=self.period,
            value_span=self.value_span,
            margin=margin,
        )

    @property
    def at_risk_formula(self) -> str:
        """Definition of the at-risk revenue of all customers."""
        return _("sum over customers of {definition}", definition=self.at_risk_definition)

    def to_dict(self) -> dict[str, int | str | None]:
        """Return the horizons as JSON-able data."""
        return {
            "churn_probability_days": self.risk_days,
            "at_risk": self.value_span,
            "expected_gain": self.gain_span,
        }


def find_horizons(model: RetentionModel) -> Horizons:
    """Return the horizons of a model's figures.

    The churn probability looks ahead as far as the label of the timeline, or as many days as the
    title of the label names: ``label("Left within 90 days")``.

    Parameters
    ----------
    model
        A trained model.

    Returns
    -------
    Horizons
        From the timeline, the catalogue, the effects and the unit of the value column.
    """
    contents = model.contents
    outcome = None if contents.uplift is None else contents.uplift.outcome
    return state_horizons(contents.contract, contents.catalogue, contents.timeline, outcome)


def state_horizons(
    contract: Contract,
    catalogue: Catalogue | None,
    timeline: Any = None,
    outcome: str | None = None,
) -> Horizons:
    """Return the horizons of figures from the parts of a model.

    Parameters
    ----------
    contract
        With the label, and the value column and its unit.
    catalogue
        The actions; None for a model without.
    timeline
        With the horizon of the label; None for a prepared table.
    outcome
        ``"money"`` if an experiment measured revenue.

    Returns
    -------
    Horizons
        As `find_horizons`.
    """
    column = _value_column(contract, catalogue)
    unit = (column.unit or "") if column is not None else ""
    match = re.search(r" (?:a|per) (.+)", unit)
    period = match[1] if match else "period"
    first = unit.split(" ")[0]
    span, margin, gain_span = _count_periods(1, period), 1.0, ""
    if catalogue is not None:
        span = _count_periods(catalogue.periods, period)
        margin = catalogue.margin
        gain_span = _(_OUTCOME_WINDOW) if outcome == "money" else span
    return Horizons(
        _risk_days(contract, timeline),
        span,
        gain_span,
        _(_PERIODS[period][0]) if period in _PERIODS else f"a {period}",
        margin,
        first if len(first) == 3 and first.isupper() else "",
    )


def _count_periods(count: float, period: str) -> str:
    """Return a number of periods in words; periods other than the usual ones stay as they are."""
    if period not in _PERIODS:
        return f"{count:g} {period}{'' if count == 1 else 's'}"
    form = plural_form(*_PERIODS[period][1], int(count) if count == int(count) else 2)
    return fill_text(form, {"count": count})


def _risk_days(contract: Contract, timeline: Any) -> int | None:
    if timeline is not None:
        return int(getattr(timeline.label, "horizon_days", 0)) or None
    match = re.search(r"\b(\d+) days\b", (contract.label.title or "") if contract.label else "")
    return int(match[1]) if match else None


def _value_column(contract: Contract, catalogue: Catalogue | None) -> Column | None:
    """Return the column that plans take the value from; without actions that of the contract."""
    if catalogue is not None and catalogue.value is not None:
        return contract[catalogue.value]
    return contract.value


def customer_values(
    model: RetentionModel, matrix: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return each customer's value of one period, (n,); None without a value column.

    Parameters
    ----------
    model
        A trained model.
    matrix
        (n, k) customers, encoded for ``"recommend"``, or only their features.
    """
    column = _value_column(model.contract, model.contents.catalogue)
    names = [encoded_column.name for encoded_column in model.contract.encoded("recommend")]
    if column is None or column.name not in names[: matrix.shape[1]]:
        return None
    values: NDArray[np.float64] = matrix[:, names.index(column.name)]
    return values


def revenue_at_risk(
    model: RetentionModel, probability: NDArray[np.float64], matrix: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return each customer's revenue at risk over the periods of the catalogue.

    Parameters
    ----------
    model
        A trained model.
    probability
        (n,) churn probabilities; NaN for customers who were not scored.
    matrix
        (n, k) the customers, encoded for ``"recommend"``.

    Returns
    -------
    (n,) money: churn probability x value x periods x margin, discounted and weighted by survival
    as the catalogue says; one period without a catalogue. None without a value column. Missing and
    negative values count as zero.
    """
    value = customer_values(model, matrix)
    if value is None:
        return None
    retained = np.maximum(np.nan_to_num(value, posinf=0.0, neginf=0.0), 0.0)
    catalogue, hazard = model.contents.catalogue, model.contents.hazard
    periods: NDArray[np.float64] | float = 1.0
    if catalogue is not None:
        periods = catalogue.annuity_factor(catalogue.periods) * catalogue.margin
        if catalogue.survival and hazard is not None:
            features = matrix[:, : len(model.contract.features)]
            weights = hazard.survival_weights(features, (catalogue.periods,), rate=catalogue.rate)
            periods = weights[:, 0] * catalogue.margin
    at_risk: NDArray[np.float64] = probability * (retained * periods)
    return at_risk
