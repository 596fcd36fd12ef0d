"""Which tables a report can read, and what their columns are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.errors import DataError, RecipeError
from churnkit.timeline.source_tables import Table, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LAYOUTS", "Layout", "Part", "find_columns"]

_CUSTOMER = ("customer_id", "customer", "customerid", "user_id", "account_id", "client_id")


@dataclass(frozen=True, slots=True)
class Part:
    """One column of a layout: its name in queries, its type, and what tables call it."""

    name: str
    type: str
    names: tuple[str, ...]
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind of table: what one row is, and its columns.

    Parameters
    ----------
    name
        What ``--table NAME=PATH`` calls it.
    says
        One row of it, in words.
    at
        The part with the time at which it happened or began.
    parts
        All columns; the customer is the first.
    ended
        The part with the time at which it ended, for what lasts.
    """

    name: str
    says: str
    at: str
    parts: tuple[Part, ...]
    ended: str | None = None

    def table(self, found: Mapping[str, str]) -> Table:
        """Declare the table with the columns that were found."""
        kinds = {part.name: part.type for part in self.parts}
        times = {self.at, self.ended}
        columns = {
            found[name]: kinds[name]
            for name in found
            if name != "customer" and name not in times and kinds[name] != "entity"
        }
        return Table(
            self.name,
            found["customer"],
            happened=found[self.at],
            ended=found.get(self.ended) if self.ended else None,
            columns=columns,
        )


def _customer() -> Part:
    return Part("customer", "entity", _CUSTOMER, needed=True)


def _time(name: str, *names: str, needed: bool = False) -> Part:
    return Part(name, "datetime", names, needed)


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "subscriptions",
            "a stretch of time in which a customer paid the same",
            "started",
            (
                _customer(),
                _time("started", "started_at", "start_date", "started", "start", needed=True),
                _time("ended", "ended_at", "end_date", "ended", "end", needed=True),
                Part(
                    "mrr", "number", ("mrr", "monthly_revenue", "monthly_price", "price"), needed=True
                ),
                Part("subscription", "string", ("subscription_id", "subscription", "contract_id")),
                Part("status", "string", ("status",)),
                Part("plan", "string", ("plan", "product", "tier")),
            ),
            ended="ended",
        ),
        Layout(
            "orders",
            "a line of an order, or a whole order",
            "happened",
            (
                _customer(),
                _time(
                    "happened", "ordered_at", "order_date", "invoicedate", "occurred_at", "date",
                    needed=True,
                ),
                Part("amount", "number", ("amount", "revenue", "total", "price"), needed=True),
                Part("order", "string", ("order_id", "invoiceno", "invoice", "order")),
            ),
        ),
        Layout(
            "events",
            "one use of the product",
            "happened",
            (
                _customer(),
                _time("happened", "occurred_at", "happened_at", "event_time", "timestamp", needed=True),
                Part("kind", "string", ("event_type", "kind", "event", "type")),
                Part("amount", "number", ("amount", "revenue")),
            ),
        ),
        Layout(
            "surveys",
            "a survey that was sent, answered or not",
            "sent",
            (
                _customer(),
                _time("sent", "sent_at", "asked_at", "sent", needed=True),
                _time("answered", "answered_at", "answered"),
                Part("kind", "string", ("kind", "survey", "type")),
                Part("score", "number", ("score", "rating", "answer"), needed=True),
                Part("text", "string", ("text", "comment", "words")),
            ),
        ),
        Layout(
            "tickets",
            "a question to the help desk",
            "opened",
            (
                _customer(),
                _time("opened", "opened_at", "created_at", "opened", needed=True),
                _time("closed", "closed_at", "resolved_at", "closed"),
                Part("topic", "string", ("topic", "category", "subject")),
                Part("text", "string", ("text", "body", "description")),
            ),
        ),
        Layout(
            "reviews",
            "what a customer wrote about the product",
            "happened",
            (
                _customer(),
                _time("happened", "written_at", "reviewed_at", "created_at", "date", needed=True),
                Part("text", "string", ("text", "review", "review_text", "comment"), needed=True),
                Part("score", "number", ("rating", "score", "stars")),
            ),
        ),
        Layout(
            "treatments",
            "a decision to act, or to do nothing",
            "decided",
            (
                _customer(),
                _time("decided", "decided_at", "treated_at", needed=True),
                Part("action", "string", ("action", "treatment"), needed=True),
                Part("propensity", "number", ("propensity",)),
                Part("cost", "number", ("cost",)),
                Part("churned", "boolean", ("churned", "outcome"), needed=True),
            ),
        ),
    )
}  # fmt: skip


def find_columns(
    layout: Layout, there: Sequence[str], named: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Find the columns of a layout among those that a table has, whatever their case.

    Parameters
    ----------
    layout
        What is looked for.
    there
        The table's columns.
    named
        Parts whose column is given, such as ``{"mrr": "fee"}``.

    Raises
    ------
    DataError
        If a column that is needed is not there.
    RecipeError
        If `named` names a part that the layout has not.

    Examples
    --------
    >>> find_columns(LAYOUTS["orders"], ["CustomerID", "InvoiceDate", "total", "colour"])
    {'customer': 'CustomerID', 'happened': 'InvoiceDate', 'amount': 'total'}
    """
    known = {part.name for part in layout.parts}
    for part_name, column in (named or {}).items():
        if part_name not in known:
            raise RecipeError(
                f"table '{layout.name}' has no part '{part_name}'; {did_you_mean(part_name, known)}"
            )
        if column not in there:
            raise DataError(
                layout.name, [f"column '{column}' is missing; {did_you_mean(column, there)}"]
            )
    by_lower = {name.lower(): name for name in reversed(there)}
    found = {}
    for part in layout.parts:
        column = (named or {}).get(part.name) or next(
            (by_lower[name] for name in part.names if name in by_lower), ""
        )
        if column:
            found[part.name] = column
        elif part.needed:
            raise DataError(
                layout.name,
                [
                    (
                        f"no column is the '{part.name}' (looked for {', '.join(part.names)}): rename one, "
                        f"or say which: --column {layout.name}.{part.name}=COLUMN"
                    )
                ],
            )
    return found
