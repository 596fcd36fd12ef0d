"""What a column is for: the words that a schema says beside its types and checks.

A schema is a pandera model whose fields carry a role. These functions are ``pandera.Field``
with that role, and the words for people, put into the field's metadata.

Examples
--------
>>> from churnkit.contracts import Schema, entity, feature, label
>>> class Gym(Schema):
...     member_id: str = entity()
...     visits: int = feature("Visits last month", ge=0)
...     left: bool = label()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pandera.pandas as pa

from churnkit.contracts.schema.role_names import METADATA_KEY, Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Schema",
    "as_of",
    "context",
    "cost",
    "entity",
    "feature",
    "ignore",
    "label",
    "pii",
    "propensity",
    "treatment",
    "value",
]

_WORDS = ("title", "unit", "phrase", "words", "positive", "unknown", "written", "missing")


class Schema(pa.DataFrameModel):
    """The base of a feature schema: a pandera ``DataFrameModel``.

    Any pandera model whose fields carry a role compiles to a contract; this base only spares
    the import.
    """


def _field(role: Role, also: tuple[Role, ...] = (), **settings: Any) -> Any:
    said = {name: settings.pop(name, None) for name in _WORDS}
    words = {name: word for name, word in said.items() if word is not None}
    return pa.Field(metadata={METADATA_KEY: {"roles": (role, *also), **words}}, **settings)


def entity(title: str | None = None, **checks: Any) -> Any:
    """Mark the column that names the customer; never null, one row for each customer and date."""
    return _field("entity", title=title, **checks)


def as_of(title: str | None = None, **checks: Any) -> Any:
    """Mark the date at which the row was known."""
    return _field("as_of", title=title, **checks)


def feature(
    title: str | None = None,
    *,
    unit: str | None = None,
    phrase: str | None = None,
    words: Mapping[str, str] | None = None,
    unknown: Literal["refuse", "missing"] | None = None,
    written: Literal["1.234,5", "1,234.5"] | None = None,
    missing: Sequence[str] = (),
    also: tuple[Role, ...] = (),
    **checks: Any,
) -> Any:
    """Mark a column that the model may read.

    Parameters
    ----------
    title
        The column in a person's words; the column's own name if not given.
    unit
        What a number counts: ``"months"``, ``"EUR per month"``; a ``"share"`` from 0 to 1 is
        said as a percentage.
    phrase
        How a reason says the value, with ``{value}`` in it: ``"{value} contract"``.
        The default is title, value and unit.
    words
        What a reason says for single values, before `phrase`: ``{"No": "No tech support"}``;
        the values of a truth column are ``"yes"`` and ``"no"``.
    unknown
        What becomes of a category that training never saw: ``"refuse"`` the row (the default
        where ``isin`` lists the categories) or treat it as ``"missing"`` (the default where
        the categories are learned from the training table).
    written
        How the text of tables writes this number, where not as ``1234.5``: with a comma before
        the fraction, ``"1.234,5"``, or between thousands, ``"1,234.5"``; signs of money and
        percent are taken off.
    missing
        Texts of tables that stand for no value, such as ``["n/a", "?"]``; blank ones always do.
    also
        Further roles of the same column: ``also=("value",)``.
    **checks
        pandera's own: ``nullable``, ``isin``, ``ge``, ``le``, ``in_range``, ``str_matches``...

    """
    return _field(
        "feature",
        also,
        title=title,
        unit=unit,
        phrase=phrase,
        words=words,
        unknown=unknown,
        written=written,
        missing=tuple(missing) or None,
        **checks,
    )


def label(title: str | None = None, *, positive: Any = None, **checks: Any) -> Any:
    """Mark what is predicted; `positive` is the value that means "has left" (default: true)."""
    return _field("label", title=title, positive=positive, **checks)


def value(title: str | None = None, *, unit: str | None = None, **checks: Any) -> Any:
    """Mark what a customer is worth for one period, in money; decisions read it."""
    return _field("value", title=title, unit=unit, **checks)


def treatment(title: str | None = None, **checks: Any) -> Any:
    """Mark the action that was taken."""
    return _field("treatment", title=title, **checks)


def propensity(title: str | None = None, **checks: Any) -> Any:
    """Mark the probability with which the action was taken."""
    return _field("propensity", title=title, **checks)


def cost(title: str | None = None, *, unit: str | None = None, **checks: Any) -> Any:
    """Mark what an action costs for this customer, in money."""
    return _field("cost", title=title, unit=unit, **checks)


def context(title: str | None = None, **checks: Any) -> Any:
    """Mark a column that decisions may read and the model may not, such as consent."""
    return _field("context", title=title, **checks)


def pii(title: str | None = None, **checks: Any) -> Any:
    """Mark personal data: never read by a model, stored in a bundle, or logged."""
    return _field("pii", title=title, **checks)


def ignore(title: str | None = None, **checks: Any) -> Any:
    """Mark a column that is known and unused."""
    return _field("ignore", title=title, **checks)
