"""Layouts of the raw tables that reports read, and the column names that are recognized."""

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
    """A column of a layout: its name in queries, its type, and recognized column names."""

    name: str
    type: str
    names: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind of raw table: the meaning of a row, and its columns.

    Parameters
    ----------
    name
        Name in ``--table NAME=PATH``.
    row_meaning
        Meaning of one row.
    at
        Part with the time of the event or start.
    parts
        All columns, the customer first.
    ended
        Part with the end time, for rows that span an interval.
    """

    name: str
    row_meaning: str
    at: str
    parts: tuple[Part, ...]
    ended: str | None = None

    def table(self, columns: Mapping[str, str]) -> Table:
        """Declare the table from the column names of its parts."""
        special = {"customer", self.at, self.ended}
        return Table(
            self.name,
            columns["customer"],
            happened=columns[self.at],
            ended=columns.get(self.ended) if self.ended else None,
            columns={
                columns[part.name]: part.type
                for part in self.parts
                if part.name in columns and part.name not in special
            },
        )


def _customer() -> Part:
    return Part("customer", "entity", _CUSTOMER, required=True)


def _time(name: str, *names: str, required: bool = False) -> Part:
    return Part(name, "datetime", names, required)


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "subscriptions",
            "an interval with a constant monthly price",
            "started",
            (
                _customer(),
                _time("started", "started_at", "start_date", "started", "start", required=True),
                _time("ended", "ended_at", "end_date", "ended", "end", required=True),
                Part(
                    "mrr", "number", ("mrr", "monthly_revenue", "monthly_price", "price"), required=True
                ),
                Part("subscription", "string", ("subscription_id", "subscription", "contract_id")),
                Part("status", "string", ("status",)),
                Part("plan", "string", ("plan", "product", "tier")),
                Part(
                    "reason",
                    "string",
                    ("churn_reason", "cancellation_reason", "cancel_reason", "end_reason"),
                ),
            ),
            ended="ended",
        ),
        Layout(
            "orders",
            "an order, or a line of one",
            "happened",
            (
                _customer(),
                _time(
                    "happened", "ordered_at", "order_date", "invoicedate", "occurred_at", "date",
                    required=True,
                ),
                Part("amount", "number", ("amount", "revenue", "total", "price"), required=True),
                Part("order", "string", ("order_id", "invoiceno", "invoice", "order")),
            ),
        ),
        Layout(
            "events",
            "a product event",
            "happened",
            (
                _customer(),
                _time("happened", "occurred_at", "happened_at", "event_time", "timestamp", required=True),
                Part("kind", "string", ("event_type", "kind", "event", "type")),
                Part("amount", "number", ("amount", "revenue")),
            ),
        ),
        Layout(
            "surveys",
            "a survey sent, answered or not",
            "sent",
            (
                _customer(),
                _time("sent", "sent_at", "asked_at", "sent", required=True),
                _time("answered", "answered_at", "answered"),
                Part("kind", "string", ("kind", "survey", "type")),
                Part("score", "number", ("score", "rating", "answer"), required=True),
                Part("text", "string", ("text", "comment", "words")),
            ),
        ),
        Layout(
            "tickets",
            "a support ticket",
            "opened",
            (
                _customer(),
                _time("opened", "opened_at", "created_at", "opened", required=True),
                _time("closed", "closed_at", "resolved_at", "closed"),
                Part("topic", "string", ("topic", "category", "subject")),
                Part("text", "string", ("text", "body", "description")),
            ),
        ),
        Layout(
            "reviews",
            "a product review",
            "happened",
            (
                _customer(),
                _time("happened", "written_at", "reviewed_at", "created_at", "date", required=True),
                Part("text", "string", ("text", "review", "review_text", "comment"), required=True),
                Part("score", "number", ("rating", "score", "stars")),
            ),
        ),
        Layout(
            "treatments",
            "a decision to act or not",
            "decided",
            (
                _customer(),
                _time("decided", "decided_at", "treated_at", required=True),
                Part("action", "string", ("action", "treatment"), required=True),
                Part("propensity", "number", ("propensity",)),
                Part("cost", "number", ("cost",)),
                Part("churned", "boolean", ("churned", "outcome"), required=True),
            ),
        ),
    )
}  # fmt: skip


def find_columns(
    layout: Layout, columns: Sequence[str], names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Match the columns of a table to the parts of a layout, ignoring case.

    Parameters
    ----------
    layout
        Layout of the table.
    columns
        Column names of the table.
    names
        Column names by part that take precedence, such as ``{"mrr": "fee"}``.

    Returns
    -------
    dict of str to str
        Column name of each part found.

    Raises
    ------
    DataError
        If a required column is missing.
    RecipeError
        If `names` has a part that the layout does not have.

    Examples
    --------
    >>> find_columns(LAYOUTS["orders"], ["CustomerID", "InvoiceDate", "total", "color"])
    {'customer': 'CustomerID', 'happened': 'InvoiceDate', 'amount': 'total'}
    """
    part_names = {part.name for part in layout.parts}
    for part_name, column in (names or {}).items():
        if part_name not in part_names:
            raise RecipeError(
                f"table '{layout.name}' has no part '{part_name}'; {did_you_mean(part_name, part_names)}"
            )
        if column not in columns:
            problem = f"column '{column}' is missing; {did_you_mean(column, columns)}"
            raise DataError(layout.name, [problem])
    by_lower = {name.lower(): name for name in reversed(columns)}
    matched = {}
    for part in layout.parts:
        column = (names or {}).get(part.name) or next(
            (by_lower[name] for name in part.names if name in by_lower), ""
        )
        if column:
            matched[part.name] = column
        elif part.required:
            problem = (
                f"no column for '{part.name}' (recognized: {', '.join(part.names)}): rename a column, or "
                f"name it with --column {layout.name}.{part.name}=COLUMN"
            )
            raise DataError(layout.name, [problem])
    return matched
