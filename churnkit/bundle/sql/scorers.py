"""Scorers as SQL: the log-odds by the same operations in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.bundle.sql.dialect import number
from churnkit.bundle.sql.expression import Operand, lookup, search
from churnkit.bundle.sql.forest import add_forest
from churnkit.errors import RecipeError
from churnkit.models.scorers.additive import LinearScorer
from churnkit.models.scorers.ensemble import EnsembleScorer
from churnkit.models.scorers.target_encoded import TargetEncodedScorer
from churnkit.trees import CompiledTrees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle.sql.dialect import SqlDialect
    from churnkit.bundle.sql.steps import Steps
    from churnkit.models.scorers.additive import ColumnEffect
    from churnkit.models.scorers.base import Scorer
    from churnkit.models.scorers.target_encoding import TargetEncoding

__all__ = ["add_scorer"]


def add_scorer(scorer: Scorer, features: Sequence[str], steps: Steps, dialect: SqlDialect) -> str:
    """Add the log-odds of a scorer, and return their column.

    Parameters
    ----------
    scorer
        A scorer of a bundle.
    features : (f,) columns with the encoded values, NULL if missing

    Raises
    ------
    RecipeError
        If SQL cannot compute this kind of scorer exactly; the message names it.
    """
    if isinstance(scorer, EnsembleScorer):
        members = [add_scorer(member, features, steps, dialect) for member in scorer.members]
        steps.close()
        terms = [
            f"{number(weight)} * {member}"
            for weight, member in zip(scorer.weights.tolist(), members, strict=True)
        ]
        return steps.add("s", " + ".join([dialect.double(0.0), *terms]))
    if isinstance(scorer, TargetEncodedScorer):
        encoded = _add_encoding(scorer.encoding, features, steps, dialect)
        return add_scorer(scorer.inner, encoded, steps, dialect)
    if isinstance(scorer, LinearScorer):
        terms = [
            _effect(effect, name, dialect)
            for effect, name in zip(scorer.columns, features, strict=True)
        ]
        return steps.add_chain("s", [dialect.double(scorer.bias), *terms], operator="\n+ ")
    if isinstance(scorer, CompiledTrees):
        return add_forest(scorer, features, steps, dialect)
    raise RecipeError(
        f"a model of the kind '{getattr(scorer, 'kind', type(scorer).__name__)}' cannot be written "
        "as SQL exactly: score it with churnkit score"
    )


def _add_encoding(
    encoding: TargetEncoding, features: Sequence[str], steps: Steps, dialect: SqlDialect
) -> list[str]:
    """Replace codes by churn rates, and append frequencies."""
    steps.close()
    encoded, frequencies = list(features), []
    for column, table in zip(encoding.columns, encoding.tables, strict=True):
        for values, missing, unknown in (
            (table.rate, table.missing[0], table.unknown[0]),
            (table.frequency, table.missing[1], table.unknown[1]),
        ):
            text = lookup(
                dialect, features[column], values.tolist(), unknown=unknown, missing=missing
            )
            frequencies.append(steps.add("r", text))
        encoded[column] = frequencies.pop(-2)
    return [*encoded, *frequencies]


def _effect(effect: ColumnEffect, name: str, dialect: SqlDialect) -> str:
    """Return the contribution of one column."""
    if effect.is_category:
        return lookup(
            dialect, name, effect.effect.tolist(), unknown=effect.missing, missing=effect.missing
        )
    knots, values = effect.knots.tolist(), effect.effect.tolist()
    lines = [
        Operand(f"{number(value)} + {number(slope)} * ({name} - {_in_brackets(knot)})")
        for knot, value, slope in zip(knots[:-1], values, effect.slope.tolist(), strict=False)
    ]
    pieces = [Operand.of(values[0]), *lines, Operand.of(values[-1])]
    function = search(dialect, name, knots, pieces, below="<").typed(dialect)
    missing = dialect.double(effect.missing)
    return f"CASE WHEN {name} IS NULL THEN {missing} ELSE {function} END"


def _in_brackets(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)
