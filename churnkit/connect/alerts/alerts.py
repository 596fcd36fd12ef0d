"""Alerts of a project, and the customers that they select."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from churnkit.connect.delivery.messages import Message
from churnkit.connect.delivery.selection import Selection, latest_decisions
from churnkit.errors import ConnectError, DataError
from churnkit.journal.entry_keys import decision_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from churnkit.connect.alerts.rules import AlertRule
    from churnkit.journal import Journal

__all__ = ["Alerts", "select_alerts"]

_GROUP = 5000
_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday


class Alerts:
    """Rules of alerts and their destination.

    Parameters
    ----------
    *rules
        Rules, in the order of their reasons in a message.
    to
        Name of the destination, one of the `Destinations` in ``sources.py``.
    period_days
        Each customer gets at most one alert in a period. Periods of 7 days begin on Mondays.
    link
        Link to the customer for ``{link}`` in messages; ``{customer}`` in it is the id.

    Raises
    ------
    ConnectError
        If there is no rule, two have one name, or the period is not positive.

    Examples
    --------
    >>> from churnkit.connect import Alerts, NewRow, RiskRise, Threshold
    >>> alerts = Alerts(
    ...     RiskRise(0.2),
    ...     Threshold(0.5, value="mrr", at_least=1000),
    ...     NewRow("surveys", "score", at_most=6, time="answered_at", name="detractor"),
    ...     to="team",
    ...     link="https://console.example.com/customers/{customer}",
    ... )
    >>> [rule.name for rule in alerts.rules]
    ['risk_rise', 'threshold', 'detractor']
    """

    def __init__(
        self, *rules: AlertRule, to: str, period_days: float = 7.0, link: str = ""
    ) -> None:
        names = [rule.name for rule in rules]
        if not rules:
            raise ConnectError("Alerts: pass at least one rule, such as RiskRise(0.2)")
        if len(set(names)) < len(names):
            raise ConnectError("Alerts: two rules have one name; set name= of one of them")
        if not period_days > 0:
            raise ConnectError(f"Alerts: period_days must be positive, got {period_days}")
        self.rules: tuple[AlertRule, ...] = rules
        self.to: str = to
        self.period_days: float = period_days
        self.link: str = link

    def period(self, now: datetime) -> datetime:
        """Return the start of the period of a time."""
        length = timedelta(days=self.period_days)
        return _EPOCH + (now - _EPOCH) // length * length


def select_alerts(
    alerts: Alerts,
    scores: pd.DataFrame,
    journal: Journal,
    *,
    now: datetime,
    customer: str | None = None,
    earlier: pd.DataFrame | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
) -> Selection:
    """Return one message for each customer that a rule applies to.

    Customers who are erased, or held out by their latest decision, are skipped: an alert would
    make people act on the group without actions, and the effect could no longer be measured.

    Parameters
    ----------
    alerts
        Rules.
    scores
        Scored customers, the output of ``churnkit score`` or ``plan``.
    journal
        Journal with decisions and erasures.
    now
        Time of the run.
    customer
        Column of customer ids; the first one if None.
    earlier
        Scores of an earlier run; rules that compare need them.
    tables
        Raw tables by name.

    Returns
    -------
    Selection
        Messages with the columns of the scores, ``reason`` and ``link``.

    Raises
    ------
    DataError
        If a column is missing or invalid, or a customer has several rows.
    ConnectError
        If a table is missing.
    """
    from churnkit.connect.alerts.rules import AlertInput

    name = customer or str(scores.columns[0])
    given = AlertInput(
        _by_customer(scores, name, "the scores"),
        None if earlier is None else _by_customer(earlier, name, "the earlier scores"),
        tables or {},
        now,
    )
    reasons: dict[str, list[tuple[str, str]]] = {}
    for rule in alerts.rules:
        for key, reason in rule.find(given).items():
            reasons.setdefault(key, []).append((rule.name, reason))
    selection, period = Selection(), alerts.period(now)
    keys = list(reasons)
    for start in range(0, len(keys), _GROUP):
        group = keys[start : start + _GROUP]
        erased = journal.erased(group)
        decisions, _ = latest_decisions(journal, group, None)
        for key in group:
            if key in erased or (key in decisions and decisions[key]["holdout"]):
                selection.skip("erased" if key in erased else "held out")
                continue
            row = given.scores.loc[key].to_dict() if key in given.scores.index else {}
            fields = {str(column): value for column, value in row.items()}
            fields["reason"] = "; ".join(reason for _, reason in reasons[key])
            fields["link"] = alerts.link.replace("{customer}", quote(key, safe=""))
            decision = decision_key("alert", alerts.to, period.isoformat(), key)
            selection.messages.append(
                Message(decision, key, reasons[key][0][0], now, fields, kind="alert")
            )
    return selection


def _by_customer(frame: pd.DataFrame, name: str, origin: str) -> pd.DataFrame:
    if name not in frame.columns:
        raise DataError(origin, f"there is no column '{name}': pass the column with --customer")
    missing = int(frame[name].isna().sum())
    if missing:
        raise DataError(origin, f"{missing:,} rows have no customer: leave them out")
    indexed = frame.set_index(frame[name].astype("string").astype(object))
    repeated = int(indexed.index.duplicated().sum())
    if repeated:
        raise DataError(origin, f"{repeated:,} rows repeat a customer: pass one row per customer")
    return indexed
