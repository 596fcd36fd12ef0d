"""One row of a raw table in a person's words."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["said", "tell"]

_WORDS: Final = 200


def tell(table: str, parts: Mapping[str, Any]) -> str:
    """Say what a row of a table tells.

    Parameters
    ----------
    table
        One of `churnkit.insights.LAYOUTS`.
    parts
        The row by the layout's parts; what is missing or empty is not said.

    Examples
    --------
    >>> tell("surveys", {"kind": "NPS", "score": 3, "text": "too slow"})
    'Answered a survey (NPS) with 3: "too slow"'
    >>> tell("treatments", {"action": "discount", "cost": 12.5, "propensity": 0.2})
    'Got discount, which cost 12.50'
    """
    known = {name: value for name, value in parts.items() if value is not None and value != ""}
    words = _WAYS[table](known)
    return words + (f': "{said(known["text"])}"' if "text" in known else "")


def said(value: Any) -> str:
    """Write a value as a person reads it, not too long."""
    if isinstance(value, (datetime, date)):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float):
        return f"{value:,.2f}".removesuffix(".00")
    text = str(value)
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}..."


def _subscription(row: Mapping[str, Any]) -> str:
    plan = f" of {said(row['plan'])}" if "plan" in row else ""
    words = f"Began a subscription{plan}"
    if "mrr" in row:
        words += f" for {said(row['mrr'])} a month"
    if "status" in row:
        words += f", {said(row['status'])}"
    return words + (f", until {said(row['ended'])}" if "ended" in row else "")


def _order(row: Mapping[str, Any]) -> str:
    return "Ordered" + (f" for {said(row['amount'])}" if "amount" in row else "")


def _event(row: Mapping[str, Any]) -> str:
    kind = said(row.get("kind", "used the product"))
    words = kind[:1].upper() + kind[1:]
    return words + (f" for {said(row['amount'])}" if _is_money(row.get("amount")) else "")


def _survey(row: Mapping[str, Any]) -> str:
    kind = f" ({said(row['kind'])})" if "kind" in row else ""
    if "score" in row:
        return f"Answered a survey{kind} with {said(row['score'])}"
    return f"Answered a survey{kind}" if "text" in row else f"Left a survey{kind} unanswered"


def _ticket(row: Mapping[str, Any]) -> str:
    topic = f" on {said(row['topic'])}" if "topic" in row else ""
    closed = f"closed {said(row['closed'])}" if "closed" in row else "still open"
    return f"Asked the help desk{topic}, {closed}"


def _review(row: Mapping[str, Any]) -> str:
    return "Wrote a review" + (f" with {said(row['score'])}" if "score" in row else "")


def _treatment(row: Mapping[str, Any]) -> str:
    action = said(row.get("action", "none"))
    if action in {"none", "control"}:
        return "Got no action"
    cost = f", which cost {said(row['cost'])}" if _is_money(row.get("cost")) else ""
    return f"Got {action}{cost}"


def _is_money(value: Any) -> bool:
    """Tell whether there is an amount, and not one of nothing."""
    return value is not None and str(value).strip() not in {"0", "0.0", "0.00"}


_WAYS: Final[dict[str, Callable[[Mapping[str, Any]], str]]] = {
    "subscriptions": _subscription,
    "orders": _order,
    "events": _event,
    "surveys": _survey,
    "tickets": _ticket,
    "reviews": _review,
    "treatments": _treatment,
}
