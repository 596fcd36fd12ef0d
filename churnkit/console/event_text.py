"""A row of a raw table in words, for people who never saw the table."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from churnkit.core.number_format import format_money, format_number, format_percent
from churnkit.insights.table_layouts import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["tell"]

# What treatments call a decision to do nothing.
_NOTHING: Final = frozenset({"", "none", "control", "no", "nothing"})
_LONGEST: Final = 200


def tell(
    table: str,
    row: Mapping[str, Any],
    *,
    titles: Mapping[str, str] | None = None,
    currency: str = "",
) -> str:
    """Say what a row of a known table says.

    Parameters
    ----------
    table
        Its layout's name; see `churnkit.insights.table_layouts`.
    row
        Values by the layout's parts; a part that the table has no column for is not there.
    titles
        Actions in a person's words, by name.
    currency
        ISO 4217 code of the amounts: ``USD``.

    Examples
    --------
    >>> tell("treatments", {"action": "call", "propensity": 0.2501, "cost": 12.0, "churned": False})
    'Action: call, at a cost of 12; had a 25% chance of being chosen; the customer stayed'
    >>> tell("subscriptions", {"mrr": 1674.75, "plan": "Business"}, currency="USD")
    'Subscription, Business: $1,675 a month'
    >>> tell("surveys", {"kind": "NPS", "score": None, "answered": None})
    'NPS survey: not answered'
    """
    kinds = {part.name: part.type for part in LAYOUTS[table].parts} if table in LAYOUTS else {}
    typed = {part: _typed(value, kinds.get(part, "")) for part, value in row.items()}
    known = {part: value for part, value in typed.items() if not _is_nothing(value)}
    teller = _TELLERS.get(table)
    if teller is None:
        return "; ".join(f"{part}: {_said(value)}" for part, value in known.items())

    def money(value: Any) -> str:
        is_number = isinstance(value, (int, float))
        return format_money(float(value), currency) if is_number else _said(value)

    if table == "treatments":
        known["action"] = _action(known.get("action", ""), titles or {})
    return teller(known, set(row), money)


def _action(name: Any, titles: Mapping[str, str]) -> str:
    said = str(name).strip()
    if said.lower() in _NOTHING:
        return ""
    return titles.get(said, _said(said.replace("_", " ")))


def _subscription(known: Mapping[str, Any], _has: set[str], money: Callable[[Any], str]) -> str:
    said = f"Subscription, {_said(known['plan'])}" if "plan" in known else "Subscription"
    if "mrr" in known:
        said += f": {money(known['mrr'])} a month"
    if "status" in known:
        said += f"; {_said(known['status'])}"
    return said + (f"; ended on {_said(known['ended'])}" if "ended" in known else "")


def _order(known: Mapping[str, Any], _has: set[str], money: Callable[[Any], str]) -> str:
    amount = known.get("amount")
    if isinstance(amount, (int, float)) and amount < 0:
        return f"Money back: {money(-amount)}"
    return f"Bought for {money(amount)}" if amount is not None else "Bought"


def _event(known: Mapping[str, Any], _has: set[str], money: Callable[[Any], str]) -> str:
    said = f"Used the product: {_said(known['kind'])}" if "kind" in known else "Used the product"
    amount = known.get("amount")
    # Most uses cost nothing, which need not be said.
    return said if not _cost(amount) else f"{said}, for {money(amount)}"


def _survey(known: Mapping[str, Any], _has: set[str], _money: Callable[[Any], str]) -> str:
    said = f"{_said(known['kind'])} survey" if "kind" in known else "Survey"
    if "score" not in known:
        said += ": not answered" if "answered" not in known else ": answered without a score"
    else:
        said += f": answered {_said(known['score'])}"
    if "answered" in known:
        said += f" on {_said(known['answered'])}"
    return said + _quoted(known)


def _ticket(known: Mapping[str, Any], has: set[str], _money: Callable[[Any], str]) -> str:
    said = f"Ticket on {_said(known['topic'])}" if "topic" in known else "Ticket"
    if "closed" in known:
        said += f", closed on {_said(known['closed'])}"
    elif "closed" in has:
        said += ", not closed"
    return said + _quoted(known)


def _review(known: Mapping[str, Any], _has: set[str], _money: Callable[[Any], str]) -> str:
    said = f"Review, rated {_said(known['score'])}" if "score" in known else "Review"
    return said + _quoted(known)


def _treatment(known: Mapping[str, Any], _has: set[str], money: Callable[[Any], str]) -> str:
    said = [f"Action: {known['action']}" if known["action"] else "Decided to do nothing"]
    if _cost(known.get("cost")):
        said[0] += f", at a cost of {money(known['cost'])}"
    chance = known.get("propensity")
    if isinstance(chance, (int, float)) and chance < 1:
        said.append(f"had a {format_percent(float(chance))} chance of being chosen")
    if "churned" in known:
        left = str(known["churned"]).strip().lower() in {"true", "1", "1.0", "yes"}
        said.append("the customer left" if left else "the customer stayed")
    return "; ".join(said)


_TELLERS: Final[
    Mapping[str, Callable[[Mapping[str, Any], set[str], Callable[[Any], str]], str]]
] = {
    "subscriptions": _subscription,
    "orders": _order,
    "events": _event,
    "surveys": _survey,
    "tickets": _ticket,
    "reviews": _review,
    "treatments": _treatment,
}


def _quoted(known: Mapping[str, Any]) -> str:
    return f": \N{LEFT DOUBLE QUOTATION MARK}{_said(known['text'])}\N{RIGHT DOUBLE QUOTATION MARK}" if "text" in known else ""  # fmt: skip


def _typed(value: Any, kind: str) -> Any:
    """Read numbers and days that a file without types, such as CSV, gives as text."""
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


def _is_nothing(value: Any) -> bool:
    return value is None or value == "" or value != value  # noqa: PLR0124  (NaN)


def _cost(value: Any) -> bool:
    """Tell whether something cost anything."""
    return value is not None and value != 0


def _said(value: Any) -> str:
    if isinstance(value, (datetime, date)):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return format_number(float(value))
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
