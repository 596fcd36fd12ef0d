"""A ranking checked against a contract, and the list of one customer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from churnkit.decisions import reason_codes
from churnkit.decisions.catalogue.compile import compile_catalogue
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, row_exclusions
from churnkit.decisions.ranking.slate import RankedSlate, ValueModel, rank_values
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.contracts import Column
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.ranking.ranking import Ranking

__all__ = ["CompiledRanking", "Knowledge", "RankingDecision", "compile_ranking"]

# A category of more levels says little by each, and would make the model wide.
_MOST_LEVELS = 50


class Knowledge(ValueModel, Protocol):
    """What is known of options: `churnkit.models.LinearBandit`, or your own."""

    def expected(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return expected rewards, (n, options)."""
        ...


@dataclass(frozen=True, slots=True)
class RankingDecision:
    """What one customer is shown.

    Parameters
    ----------
    slate
        The list with its propensities and expected rewards; None where no option is open to the customer.
    reason
        One of `REASONS`.
    eligible
        The options that nothing barred, in the ranking's order.
    """

    slate: RankedSlate | None
    reason: str
    eligible: tuple[str, ...] = ()

    @property
    def action(self) -> str | None:
        """The option in the first place."""
        return None if self.slate is None else self.slate.options[0]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRanking:
    """A ranking that fits a contract. Made by `Ranking.compile`.

    Parameters
    ----------
    ranking
        As the recipe declares it.
    rules
        What bars an option, compiled.
    columns
        Those of the contract that it learns from.
    places : (f,)
        Their places in the encoded matrix.
    option_features : (m, g)
        The options' features.
    """

    ranking: Ranking
    rules: CompiledCatalogue
    columns: tuple[Column, ...]
    places: tuple[int, ...]
    option_features: NDArray[np.float64]

    @property
    def categories(self) -> dict[int, int]:
        """For each column of category codes, by its place among `columns`: how many levels."""
        return {
            at: len(column.levels or ())
            for at, column in enumerate(self.columns)
            if column.type == "string"
        }

    @property
    def digest(self) -> str:
        """What a state must have been learned from to fit: columns, their levels, features."""
        read = [
            [c.name, c.type, list(c.levels or ()) if c.type == "string" else None]
            for c in self.columns
        ]
        said = json.dumps([read, self.option_features.shape[1]])
        return hashlib.sha256(said.encode()).hexdigest()

    def warm_up(self, known: Knowledge) -> None:
        """Ask for all options once, so that what a model works out once is there."""
        nobody = np.zeros((1, len(self.places)))
        for ask in (known.sample, known.expected):
            ask(nobody, self.ranking.names, self.option_features)

    def rank_one(
        self,
        row: Sequence[float],
        known: Knowledge,
        *,
        key: str,
        context: DecisionContext | None = None,
    ) -> RankingDecision:
        """Rank the options that are open to one customer.

        Parameters
        ----------
        row
            (k,) the customer, encoded for ``"recommend"``.
        known
            What is known of the options' values.
        key
            Names the decision: the same key and state give the same list.
        context
            The customer and the day; needed where the ranking has holdouts, dates or contact
            rules.

        Raises
        ------
        RecipeError
            If `context` is needed.
        """
        check_context(self.ranking.rules, context, 1)
        barred = row_exclusions(self.rules, row, context)
        open_ = [place for place, code in enumerate(barred) if code == NOT_EXCLUDED]
        if not open_:
            return self.closed(int(reason_codes.nearest(np.array([barred], dtype=np.int8))[0]))
        asked = self.asked(np.array([row], dtype=np.float64), open_)
        drawn, expected = known.sample(*asked), known.expected(*asked)
        return self.shown(drawn[:, 0, :], expected[0], asked[1], key=key)

    def closed(self, code: int) -> RankingDecision:
        """Give what a customer is shown to whom nothing is open: nothing, and why."""
        return RankingDecision(None, reason_codes.REASONS[code])

    def asked(
        self, matrix: NDArray[np.float64], open_: Sequence[int]
    ) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
        """Give what `Knowledge` is asked: customers, and names and features of open options."""
        names = [self.ranking.options[place].name for place in open_]
        return matrix[:, list(self.places)], names, self.option_features[list(open_)]

    def shown(
        self,
        drawn: NDArray[np.float64],
        expected: NDArray[np.float64],
        names: Sequence[str],
        *,
        key: str,
    ) -> RankingDecision:
        """Make the list of one customer from draws (draws, k) and expected rewards (k,)."""
        ranking = self.ranking
        slate = rank_values(
            drawn,
            names,
            key=key,
            size=ranking.size,
            epsilon=ranking.epsilon,
            salt=ranking.salt,
        )
        # Draws lean to what is uncertain; what is told is what is expected.
        worth = dict(zip(names, expected.tolist(), strict=True))
        slate = replace(slate, values=tuple(worth[name] for name in slate.options))
        code = reason_codes.CHANCE if slate.explored else reason_codes.RANKED
        return RankingDecision(slate, reason_codes.REASONS[code], tuple(names))


def compile_ranking(ranking: Ranking, columns: Sequence[Column]) -> CompiledRanking:
    """Check a ranking against the columns of the encoded matrix, in its order.

    Raises
    ------
    RecipeError
        Names the option or the column, and the mend.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Ranking
    >>> ranking = Ranking((Action("a", "A"), Action("b", "B")), outcome="clicked", epsilon=0.2)
    >>> compiled = compile_ranking(ranking, [Column("age", "number", ("feature",))])
    >>> class Fixed:
    ...     def sample(self, customers, options, option_features):
    ...         return np.array([[[0.1, 0.9]]])
    ...
    ...     def expected(self, customers, options, option_features):
    ...         return np.array([[0.1, 0.9]])
    >>> compiled.rank_one([30.0], Fixed(), key="k1").slate.propensities
    (0.9,)
    """
    rules = compile_catalogue(ranking.rules, columns, valued=False)
    chosen = ranking.columns or tuple(c.name for c in columns if _is_read(c))
    by_name = {column.name: place for place, column in enumerate(columns)}
    places = tuple(_place(name, columns, by_name) for name in chosen)
    width = len(ranking.options[0].features)
    features = np.array([option.features for option in ranking.options], dtype=np.float64)
    return CompiledRanking(
        ranking,
        rules,
        tuple(columns[place] for place in places),
        places,
        features.reshape(len(ranking.options), width),
    )


def _is_read(column: Any) -> bool:
    if not column.has_role("feature") or column.type == "datetime":
        return False
    return column.type != "string" or 0 < len(column.levels or ()) <= _MOST_LEVELS


def _place(name: str, columns: Sequence[Column], by_name: dict[str, int]) -> int:
    if name not in by_name or not columns[by_name[name]].has_role("feature"):
        there = ", ".join(column.name for column in columns if column.has_role("feature"))
        raise RecipeError(f"ranking: column '{name}' is no feature; it can learn from: {there}")
    column = columns[by_name[name]]
    if column.type == "datetime" or (column.type == "string" and not column.levels):
        raise RecipeError(
            f"ranking: column '{name}' is of type {column.type} without levels: nothing is "
            "learned from it; leave it out"
        )
    return by_name[name]
