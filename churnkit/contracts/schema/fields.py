"""Schema fields with roles: ``pandera.Field`` plus a role and display texts as metadata.

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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.contracts.schema.column import Role

__all__ = [
    "METADATA_KEY",
    "Schema",
    "account",
    "as_of",
    "cause",
    "context",
    "cost",
    "entity",
    "feature",
    "ignore",
    "label",
    "parent",
    "pii",
    "propensity",
    "treatment",
    "value",
]

METADATA_KEY = "churnkit"
DateStyle = Literal[
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "YYYY-MM-DD",
    "epoch seconds",
    "epoch milliseconds",
    "epoch microseconds",
    "Excel serial",
    "MM/YYYY",
]
_TEXTS = (
    "title", "unit", "phrase", "words", "positive", "unknown", "written", "missing", "numbered",
    "default", "todo",
)  # fmt: skip


class Schema(pa.DataFrameModel):
    """Base class of feature schemas: a pandera ``DataFrameModel``.

    Any pandera model whose fields have a role compiles to a contract; this base class only
    saves an import.

    Parameters
    ----------
    *args, **kwargs
        Those of pandera: calling the class validates a data frame.
    """


def _field(role: Role, also: tuple[Role, ...] = (), **settings: Any) -> Any:
    texts = {name: settings.pop(name, None) for name in _TEXTS}
    metadata = {name: text for name, text in texts.items() if text is not None}
    return pa.Field(metadata={METADATA_KEY: {"roles": (role, *also), **metadata}}, **settings)


def entity(title: str | None = None, *, numbered: bool = False, **checks: Any) -> Any:
    """Declare the customer's id: never null, one row per customer and date.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    numbered
        True for tables without an id: rows are numbered from 0 where the column is missing. A
        number identifies a row of one table only, so that contacts and outcomes of a customer
        cannot be followed from one table to the next.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("entity", title=title, numbered=numbered or None, **checks)


def as_of(
    title: str | None = None,
    *,
    written: DateStyle | None = None,
    default: str | None = None,
    **checks: Any,
) -> Any:
    """Declare the date of the row.

    Dates among the features are encoded as days before it.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    written
        Format of the dates, if not ISO 8601. Any of ``-``, ``.`` and ``/`` may separate the
        parts; ``"YYYY-MM-DD"`` includes ``2024-01``, ``20240131`` and zones such as ``UTC``.
    default
        The date, as YYYY-MM-DD, of rows of a table without this column: that of the export that
        the model was trained on. Tables of another date have the column, or are read with
        ``--as-of``.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("as_of", title=title, written=written, default=default, **checks)


def feature(
    title: str | None = None,
    *,
    unit: str | None = None,
    phrase: str | None = None,
    words: Mapping[str, str] | None = None,
    unknown: Literal["refuse", "missing", "other"] | None = None,
    written: Literal["1.234,5", "1,234.5"] | DateStyle | None = None,
    missing: Sequence[str] = (),
    also: tuple[Role, ...] = (),
    **checks: Any,
) -> Any:
    """Declare an input of the model.

    A date is encoded as the days from it to the as-of date of the row, negative if it lies later,
    and needs an `as_of` column.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    unit
        Unit of a number: ``"months"``, ``"EUR per month"``. A ``"share"`` from 0 to 1 is shown
        as a percentage.
    phrase
        Text of a reason, with ``{value}`` in it: ``"{value} contract"``. The default is title,
        value and unit.
    words
        Texts of a reason for single values, before `phrase`: ``{"No": "No tech support"}``. The
        values of a boolean column are ``"yes"`` and ``"no"``.
    unknown
        Treatment of a category that training did not see: ``"refuse"`` the row (default if
        ``isin`` lists the categories), read it as ``"missing"`` (default if the categories are
        learned from the training table), or as ``"other"``: a category of its own, which in
        training has the categories that ``isin`` does not list, or those of fewer than 10 rows.
    written
        Number format of text columns, if not ``1234.5``: decimal comma, ``"1.234,5"``, or
        thousands comma, ``"1,234.5"``. Signs and codes of the unit's currency, the unit itself
        and percent signs are removed; negative numbers may be in parentheses, and ``k``, ``M``
        and ``B`` multiply. Of dates, their format; see `as_of`.
    missing
        Texts that mark a missing value, such as ``["n/a", "?"]``; blank text always does.
    also
        Additional roles of the column: ``also=("value",)``.
    **checks
        Arguments of ``pandera.Field``: ``nullable``, ``isin``, ``ge``, ``le``, ``in_range``,
        ``str_matches``...

    Returns
    -------
    pandera.Field
        The field with its role.

    Examples
    --------
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     visits: int = feature("Visits last month", ge=0)
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
    """Declare the prediction target; `positive` is the value for churned (default: true).

    All other values mean that the customer stayed. A label of dates or texts may be nullable, and
    a blank then means stayed: without `positive`, any date or text means churned.
    Dates that stand for no date, such as 9999-12-31, count as blanks.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    positive
        The value for churned, or several: ``positive=("Cancelled", "Churned")``.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.

    Examples
    --------
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     status: str = label(positive="Left", isin=["Joined", "Left", "Stayed"])
    """
    return _field("label", title=title, positive=positive, **checks)


def cause(title: str | None = None, **checks: Any) -> Any:
    """Declare the cause of churn: text such as ``"voluntary"``, blank for customers who stayed.

    Training reads it to estimate for which cause each customer is likely to leave, so that an
    action can be limited to the causes that it prevents. It is no input of the model. A customer
    who churned without a recorded cause counts as ``"unknown"``.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``, such as ``isin``.

    Returns
    -------
    pandera.Field
        The field with its role; it is nullable.

    Examples
    --------
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     left: bool = label()
    ...     reason: str = cause(isin=["voluntary", "payment failed"])
    """
    return _field("cause", title=title, **{"nullable": True, **checks})


def value(title: str | None = None, *, unit: str | None = None, **checks: Any) -> Any:
    """Declare the customer's value per period in money, an input of decisions.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    unit
        Unit, such as ``"EUR per month"``.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("value", title=title, unit=unit, **checks)


def treatment(title: str | None = None, **checks: Any) -> Any:
    """Declare the action that was taken.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("treatment", title=title, **checks)


def propensity(title: str | None = None, **checks: Any) -> Any:
    """Declare the probability of the action that was taken.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("propensity", title=title, **checks)


def cost(title: str | None = None, *, unit: str | None = None, **checks: Any) -> Any:
    """Declare the cost of an action for this customer, in money.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    unit
        Unit, such as ``"EUR per month"``.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("cost", title=title, unit=unit, **checks)


def context(title: str | None = None, **checks: Any) -> Any:
    """Declare an input of decisions but not of the model, such as consent.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("context", title=title, **checks)


def account(title: str | None = None, **checks: Any) -> Any:
    """Declare the company or household of the customer: the console shows its users together.

    Neither models nor decisions read it.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.

    Examples
    --------
    >>> class Users(Schema):
    ...     user_id: str = entity()
    ...     company: str = account("Company", nullable=True)
    """
    return _field("account", title=title, **checks)


def parent(title: str | None = None, **checks: Any) -> Any:
    """Declare the group that the customer's account belongs to, such as a parent company.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("parent", title=title, **checks)


def pii(title: str | None = None, **checks: Any) -> Any:
    """Declare personal data: never read by a model, stored in a bundle, or logged.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("pii", title=title, **checks)


def ignore(title: str | None = None, **checks: Any) -> Any:
    """Declare a column that is not used.

    Parameters
    ----------
    title
        Display name; the column's name by default.
    **checks
        Arguments of ``pandera.Field``.

    Returns
    -------
    pandera.Field
        The field with its role.
    """
    return _field("ignore", title=title, **checks)
