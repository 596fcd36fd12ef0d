"""Lists for a table of customers: the lists that each gets alone, worked out together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.decisions import reason_codes
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, table_exclusions
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.ranking.compiled import CompiledRanking, Knowledge, RankingDecision

__all__ = ["rank_rows"]

# Customers whose draws are held at once.
_ROWS = 1_000


def rank_rows(
    compiled: CompiledRanking,
    matrix: NDArray[np.float64],
    known: Knowledge,
    *,
    keys: Sequence[str],
    context: DecisionContext | None = None,
) -> list[RankingDecision]:
    """Rank the options for each customer of a table.

    Parameters
    ----------
    compiled
        The ranking, compiled against the contract that encoded the rows.
    matrix
        (n, k) the customers, encoded for ``"recommend"``.
    known
        What is known of the options' values.
    keys
        (n,) name the decisions: the same key and state give the same list.
    context
        The customers and the day; needed where the ranking has holdouts, dates or contact rules.

    Raises
    ------
    DataError
        If there is not one key a row.
    RecipeError
        If `context` is needed.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Ranking
    >>> from churnkit.models import LinearBandit
    >>> ranking = Ranking((Action("a", "A"), Action("b", "B")), outcome="clicked", size=2)
    >>> compiled = ranking.compile([Column("age", "number", ("feature",))])
    >>> bandit = LinearBandit.new(customer_features=1)
    >>> found = rank_rows(compiled, np.array([[30.0], [50.0]]), bandit, keys=["k1", "k2"])
    >>> [sorted(ranked.slate.options) for ranked in found]
    [['a', 'b'], ['a', 'b']]
    """
    if len(keys) != len(matrix):
        raise DataError("keys", [f"{len(keys)} for {len(matrix)} rows: give one for each"])
    check_context(compiled.ranking.rules, context, len(matrix))
    barred = table_exclusions(compiled.rules, matrix, context)
    shut = reason_codes.nearest(barred)
    found: list[RankingDecision] = [compiled.closed(int(code)) for code in shut]
    # Customers to whom the same options are open are ranked together.
    patterns, which = np.unique(barred == NOT_EXCLUDED, axis=0, return_inverse=True)
    for at, pattern in enumerate(patterns):
        rows, open_ = np.flatnonzero(which.ravel() == at), np.flatnonzero(pattern).tolist()
        for start in range(0, len(rows) if open_ else 0, _ROWS):
            part = rows[start : start + _ROWS]
            asked = compiled.asked(matrix[part], open_)
            drawn, expected = known.sample(*asked), known.expected(*asked)
            for place, row in enumerate(part.tolist()):
                found[row] = compiled.shown(
                    drawn[:, place, :], expected[place], asked[1], key=keys[row]
                )
    return found
