"""The recorded reason of churn, as labels and metrics read it.

Blanks at its ends do not count, a blank reason is none, and of several reasons of one moment the
largest text counts.
"""

from __future__ import annotations

from sqlglot import exp

from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.timeline.sql.expressions import literal

__all__ = ["largest_reason", "strip_reason"]


def strip_reason(this: exp.Expr) -> exp.Expr:
    """Return a reason without blanks at its ends, NULL if nothing is left.

    Examples
    --------
    >>> strip_reason(exp.column("why")).sql("postgres")[:36]
    "NULLIF(TRIM(' ' || CHR(9) || CHR(10)"
    """
    # By number: escapes inside a literal differ between databases.
    blanks = [
        literal(blank) if blank == " " else exp.Chr(expressions=[literal(ord(blank))])
        for blank in BLANKS
    ]
    trimmed = exp.Trim(this=this, expression=exp.Concat(expressions=blanks))
    return exp.Nullif(this=trimmed, expression=literal(""))


def largest_reason(this: exp.Expr) -> exp.Expr:
    """Aggregate the reasons of one moment.

    Examples
    --------
    >>> largest_reason(exp.column("why")).sql()[:16]
    'MAX(NULLIF(TRIM('
    """
    return exp.Max(this=strip_reason(this))
