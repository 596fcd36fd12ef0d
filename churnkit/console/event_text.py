"""Describe rows of raw tables in words."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from churnkit.core.number_format import format_money, format_number, format_percent
from churnkit.core.translation import _, format_day
from churnkit.insights.table_layouts import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Row = Mapping[str, Any]
    Money = Callable[[Any], str]

__all__ = ["NO_ACTION", "describe_event"]

# Names of the decision not to act, in the table of treatments.
NO_ACTION: Final = frozenset({"", "none", "control", "no", "nothing"})
_LONGEST: Final = 200


def describe_event(
    table: str,
    row: Mapping[str, Any],
    *,
    titles: Mapping[str, str] | None = None,
    currency: str = "",
) -> str:
    """Describe a row of a raw table.

    Parameters
    ----------
    table
        Name of the table's layout; see `churnkit.insights.table_layouts`.
    row
        Values by part of the layout; parts without a column are absent.
    titles
        Labels of actions by name.
    currency
        ISO 4217 code of the amounts.

    Returns
    -------
    str
        The description.

    Examples
    --------
    >>> describe_event("treatments", {"action": "call", "propensity": 0.2501, "cost": 12.0})
    'Action: call; cost 12; chosen with a probability of 25%'
    >>> describe_event("subscriptions", {"mrr": 1674.75, "plan": "Business"}, currency="USD")
    'Subscription, Business: $1,675 a month'
    >>> describe_event("surveys", {"kind": "NPS", "score": None, "answered": None})
    'NPS survey: no answer'
    """
    types = {part.name: part.type for part in LAYOUTS[table].parts} if table in LAYOUTS else {}
    typed = {part: _typed(value, types.get(part, "")) for part, value in row.items()}
    values = {part: value for part, value in typed.items() if not _is_missing(value)}
    describe = _DESCRIPTIONS.get(table)
    if describe is None:
        return "; ".join(f"{part}: {_text(value)}" for part, value in values.items())

    def money(value: Any) -> str:
        is_number = isinstance(value, (int, float))
        return format_money(float(value), currency) if is_number else _text(value)

    if table == "treatments":
        values["action"] = _action_title(values.get("action", ""), titles or {})
    return describe(values, set(row), money)


def _action_title(name: Any, titles: Mapping[str, str]) -> str:
    name = str(name).strip()
    if name.lower() in NO_ACTION:
        return ""
    return titles.get(name, _text(name.replace("_", " ")))


def _subscription(values: Row, _parts: set[str], money: Money) -> str:
    text = (
        _("Subscription, {text}", text=_text(values["plan"]))
        if "plan" in values
        else _("Subscription")
    )
    if "mrr" in values:
        text += _(": {mrr} a month", mrr=money(values["mrr"]))
    if "status" in values:
        text += f"; {_text(values['status'])}"
    return text + (_("; ended {text}", text=_text(values["ended"])) if "ended" in values else "")


def _order(values: Row, _parts: set[str], money: Money) -> str:
    amount = values.get("amount")
    if isinstance(amount, (int, float)) and amount < 0:
        return _("Refund: {amount}", amount=money(-amount))
    return _("Order: {amount}", amount=money(amount)) if amount is not None else _("Order")


def _event(values: Row, _parts: set[str], money: Money) -> str:
    text = (
        _("Product event: {text}", text=_text(values["kind"]))
        if "kind" in values
        else _("Product event")
    )
    return f"{text}, {money(values['amount'])}" if values.get("amount") else text


def _survey(values: Row, _parts: set[str], _money: Money) -> str:
    text = _("{text} survey", text=_text(values["kind"])) if "kind" in values else _("Survey")
    if "score" not in values:
        text += _(": no answer") if "answered" not in values else _(": answered without a score")
    else:
        text += _(": score {text}", text=_text(values["score"]))
    if "answered" in values:
        text += f", {_text(values['answered'])}"
    return text + _quote(values)


def _ticket(values: Row, parts: set[str], _money: Money) -> str:
    text = (
        _("Support ticket: {text}", text=_text(values["topic"]))
        if "topic" in values
        else _("Support ticket")
    )
    if "closed" in values:
        text += _(", closed {text}", text=_text(values["closed"]))
    elif "closed" in parts:
        text += _(", open")
    return text + _quote(values)


def _review(values: Row, _parts: set[str], _money: Money) -> str:
    text = (
        _("Review, rating {text}", text=_text(values["score"]))
        if "score" in values
        else _("Review")
    )
    return text + _quote(values)


def _treatment(values: Row, _parts: set[str], money: Money) -> str:
    texts = [_("Action: {action}", action=values["action"]) if values["action"] else _("No action")]
    if values.get("cost"):
        texts.append(_("cost {cost}", cost=money(values["cost"])))
    propensity = values.get("propensity")
    if isinstance(propensity, (int, float)) and propensity < 1:
        texts.append(
            _(
                "chosen with a probability of {propensity}",
                propensity=format_percent(float(propensity)),
            )
        )
    if "churned" in values:
        churned = str(values["churned"]).strip().lower() in {"true", "1", "1.0", "yes"}
        texts.append(_("customer churned") if churned else _("customer stayed"))
    return "; ".join(texts)


_DESCRIPTIONS: Final[Mapping[str, Callable[[Row, set[str], Money], str]]] = {
    "subscriptions": _subscription,
    "orders": _order,
    "events": _event,
    "surveys": _survey,
    "tickets": _ticket,
    "reviews": _review,
    "treatments": _treatment,
}


def _quote(values: Row) -> str:
    if "text" not in values:
        return ""
    return ": " + _("“{text}”", text=_text(values["text"]))


def _typed(value: Any, kind: str) -> Any:
    """Parse numbers and times that an untyped file such as CSV holds as text."""
    if not isinstance(value, str):
        return value
    try:
        if kind == "number":
            return float(value)
        if kind == "datetime":
            return datetime.fromisoformat(value)
    except ValueError:
        return value
    return value


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or value != value  # noqa: PLR0124  (NaN)


def _text(value: Any) -> str:
    if isinstance(value, (datetime, date)):
        return format_day(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, (int, float)):
        return format_number(float(value))
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
