"""Compile a ranking against a contract, and rank options for one customer or a table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from churnkit.decisions import reason_codes
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.eligibility.context import check_context
from churnkit.decisions.eligibility.exclusions import (
    NOT_EXCLUDED,
    row_exclusions,
    table_exclusions,
)
from churnkit.decisions.ranking.slate import RankedSlate, ValueModel, rank_values
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.contracts import Column
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.eligibility.context import DecisionContext
    from churnkit.decisions.ranking.ranking import Ranking

__all__ = ["CompiledRanking", "RankingDecision", "RewardModel", "compile_ranking", "rank_rows"]

# Categorical features with more levels are skipped: each level would need a coefficient.
_MAX_LEVELS = 50
# Customers ranked at once, and customers times options; they bound the memory of the draws.
_CHUNK_ROWS = 1_000
_CHUNK_VALUES = 32_000


class RewardModel(ValueModel, Protocol):
    """Model of rewards: `churnkit.models.LinearBandit`, or a custom one."""

    def expected(
        self, customers: ArrayLike, options: Sequence[str], option_features: ArrayLike
    ) -> NDArray[np.float64]:
        """Return expected rewards, (n, options)."""
        ...


@dataclass(frozen=True, slots=True)
class RankingDecision:
    """Ranked options of one customer.

    Parameters
    ----------
    slate
        Options with propensities and expected rewards; None if no option is eligible.
    reason
        One of `REASONS`.
    eligible
        Names of the eligible options, in the ranking's order.
    costs
        Expected cost of each option of the slate, in money.
    propensity
        Probability of an empty slate, if it is empty.
    """

    slate: RankedSlate | None
    reason: str
    eligible: tuple[str, ...] = ()
    costs: tuple[float, ...] = ()
    propensity: float = 1.0

    @property
    def action(self) -> str | None:
        """Name of the first option."""
        return None if self.slate is None else self.slate.options[0]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledRanking:
    """Ranking with its columns as indices of the encoded matrix, from `compile_ranking`.

    Parameters
    ----------
    ranking
        The ranking.
    rules
        Compiled eligibility rules.
    columns
        Customer features of the reward model.
    indices : (f,)
        Their indices in the encoded matrix.
    option_features : (m, g)
        Features of the options.
    """

    ranking: Ranking
    rules: CompiledCatalogue
    columns: tuple[Column, ...]
    indices: tuple[int, ...]
    option_features: NDArray[np.float64]

    @property
    def categories(self) -> dict[int, int]:
        """Number of levels of each categorical feature, by its position in `columns`."""
        return {
            position: len(column.levels or ())
            for position, column in enumerate(self.columns)
            if column.type == "string"
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the columns, their levels and the width of the option features.

        A bandit state fits a ranking with the same digest.
        """
        columns = [
            [c.name, c.type, list(c.levels or ()) if c.type == "string" else None]
            for c in self.columns
        ]
        text = json.dumps([columns, self.option_features.shape[1]])
        return hashlib.sha256(text.encode()).hexdigest()

    def warm_up(self, model: RewardModel) -> None:
        """Evaluate all options once, to fill the model's caches."""
        customer = np.zeros((1, len(self.indices)))
        for evaluate in (model.sample, model.expected):
            evaluate(customer, self.ranking.names, self.option_features)

    def rank_one(
        self,
        row: Sequence[float],
        model: RewardModel,
        *,
        key: str,
        context: DecisionContext | None = None,
        budget_price: float = 0.0,
    ) -> RankingDecision:
        """Rank the eligible options for one customer.

        Parameters
        ----------
        row
            (k,) the customer, encoded for ``"recommend"``.
        model
            Model of the rewards.
        key
            Decision key: the same key and model give the same slate.
        context
            Customer and day; required if the ranking has holdouts, dates or contact rules.
        budget_price
            Gain that a unit of the budget is worth elsewhere; costs count ``1 + budget_price``
            times.

        Returns
        -------
        RankingDecision
            The slate, or the reason for none.

        Raises
        ------
        RecipeError
            If `context` is required and missing.
        """
        check_context(self.ranking.rules, context, 1)
        cost = np.array([self.rules.row_cost(row, j) for j in range(len(self.ranking.options))])
        excluded = row_exclusions(self.rules, row, context)
        eligible = np.flatnonzero(
            (np.array(excluded) == NOT_EXCLUDED) & self.has_known_cost(cost)
        ).tolist()
        if not eligible:
            codes = np.array([excluded], dtype=np.int8)
            return _no_slate(int(reason_codes.nearest(codes)[0]))
        inputs = self.model_inputs(np.array([row], dtype=np.float64), eligible)
        draws, expected = model.sample(*inputs), model.expected(*inputs)
        return self.build_slate(
            draws[:, 0, :], expected[0], cost[eligible], eligible, key=key, price=budget_price
        )

    def has_known_cost(self, cost: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which costs a ranking by gain can count; all of them in a ranking by reward."""
        if self.ranking.reward_value is None:
            return np.ones(cost.shape, dtype=np.bool_)
        with np.errstate(invalid="ignore"):
            return np.isfinite(cost) & (cost >= 0.0)

    def model_inputs(
        self, matrix: NDArray[np.float64], eligible: Sequence[int]
    ) -> tuple[NDArray[np.float64], list[str], NDArray[np.float64]]:
        """Return the arguments of a reward model for customers with these eligible options."""
        names = [self.ranking.options[index].name for index in eligible]
        return matrix[:, list(self.indices)], names, self.option_features[list(eligible)]

    def build_slate(
        self,
        draws: NDArray[np.float64],
        expected: NDArray[np.float64],
        cost: NDArray[np.float64],
        eligible: Sequence[int],
        *,
        key: str,
        price: float = 0.0,
    ) -> RankingDecision:
        """Rank one customer's options from draws (draws, k), expected rewards and costs (k,)."""
        ranking, worth = self.ranking, self.ranking.reward_value
        names = [ranking.options[index].name for index in eligible]
        slate = rank_values(
            draws if worth is None else worth * draws - (1.0 + price) * cost,
            names,
            key=key,
            size=ranking.size,
            epsilon=ranking.epsilon,
            salt=ranking.salt,
            minimum=None if worth is None else 0.0,
        )
        if not slate.options:
            reason = reason_codes.REASONS[reason_codes.BUDGET if price else reason_codes.UNPAID]
            return RankingDecision(None, reason, tuple(names), (), slate.slate_propensity)
        # Draws favor uncertain options; the reported values are expected rewards or gains.
        values = expected if worth is None else worth * expected - cost
        at = [names.index(name) for name in slate.options]
        slate = replace(slate, values=tuple(values[at].tolist()))
        code = reason_codes.CHANCE if slate.explored else reason_codes.RANKED
        costs = tuple(np.where(np.isfinite(cost[at]), cost[at], 0.0).tolist())
        return RankingDecision(slate, reason_codes.REASONS[code], tuple(names), costs)


def _no_slate(code: int) -> RankingDecision:
    return RankingDecision(None, reason_codes.REASONS[code])


def compile_ranking(ranking: Ranking, columns: Sequence[Column]) -> CompiledRanking:
    """Check a ranking against the columns of a contract and resolve them to indices.

    Parameters
    ----------
    ranking
        The ranking.
    columns
        Columns of the encoded matrix, in its order: ``contract.encoded("recommend")``.

    Returns
    -------
    CompiledRanking
        The ranking, ready to rank encoded rows.

    Raises
    ------
    RecipeError
        If a rule does not fit its column, or a column to learn from is not a feature.

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
    rules = compile_catalogue(ranking.rules, columns, needs_value=False)
    names = ranking.columns or tuple(c.name for c in columns if _is_default_feature(c))
    by_name = {column.name: index for index, column in enumerate(columns)}
    indices = tuple(_feature_index(name, columns, by_name) for name in names)
    features = np.array([option.features for option in ranking.options], dtype=np.float64)
    return CompiledRanking(
        ranking,
        rules,
        tuple(columns[index] for index in indices),
        indices,
        features.reshape(len(ranking.options), len(ranking.options[0].features)),
    )


def rank_rows(
    compiled: CompiledRanking,
    matrix: NDArray[np.float64],
    model: RewardModel,
    *,
    keys: Sequence[str],
    context: DecisionContext | None = None,
    budget_price: float = 0.0,
) -> list[RankingDecision]:
    """Rank the eligible options for each customer of a table, as `CompiledRanking.rank_one`.

    Parameters
    ----------
    compiled
        The ranking, compiled against the contract that encoded the rows.
    matrix
        (n, k) customers, encoded for ``"recommend"``.
    model
        Model of the rewards.
    keys
        (n,) decision keys: the same key and model give the same slate.
    context
        Customers and day; required if the ranking has holdouts, dates or contact rules.
    budget_price
        As in `CompiledRanking.rank_one`; see `churnkit.decisions.ranking.budget.budget_price`.

    Returns
    -------
    list of RankingDecision
        One for each row.

    Raises
    ------
    DataError
        If the number of keys is not the number of rows.
    RecipeError
        If `context` is required and missing.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Ranking
    >>> from churnkit.models import LinearBandit
    >>> ranking = Ranking((Action("a", "A"), Action("b", "B")), outcome="clicked", size=2)
    >>> compiled = compile_ranking(ranking, [Column("age", "number", ("feature",))])
    >>> bandit = LinearBandit.new(customer_features=1)
    >>> decisions = rank_rows(compiled, np.array([[30.0], [50.0]]), bandit, keys=["k1", "k2"])
    >>> [sorted(decision.slate.options) for decision in decisions]
    [['a', 'b'], ['a', 'b']]
    """
    if len(keys) != len(matrix):
        raise DataError("keys", [f"{len(keys)} keys for {len(matrix)} rows: pass one per row"])
    check_context(compiled.ranking.rules, context, len(matrix))
    excluded = table_exclusions(compiled.rules, matrix, context)
    decisions = [_no_slate(int(code)) for code in reason_codes.nearest(excluded)]
    for chunk in eligible_chunks(compiled, matrix, excluded):
        inputs = compiled.model_inputs(matrix[chunk.rows], chunk.eligible)
        draws, expected = model.sample(*inputs), model.expected(*inputs)
        for i, row in enumerate(chunk.rows.tolist()):
            decisions[row] = compiled.build_slate(
                draws[:, i, :],
                expected[i],
                chunk.cost[i],
                chunk.eligible,
                key=keys[row],
                price=budget_price,
            )
    return decisions


class Chunk(NamedTuple):
    """Customers with the same eligible options.

    Attributes
    ----------
    rows : (c,)
        Their rows.
    eligible
        Indices of the options.
    cost : (c, options)
        Expected costs of these options.
    """

    rows: NDArray[np.intp]
    eligible: list[int]
    cost: NDArray[np.float64]


def eligible_chunks(
    compiled: CompiledRanking, matrix: NDArray[np.float64], excluded: NDArray[np.int8]
) -> Iterator[Chunk]:
    """Yield the customers with any eligible option, in chunks with the same options."""
    cost = np.broadcast_to(compiled.rules.cost(matrix), excluded.shape)
    allowed = (excluded == NOT_EXCLUDED) & compiled.has_known_cost(cost)
    patterns, groups = np.unique(allowed, axis=0, return_inverse=True)
    for group, pattern in enumerate(patterns):
        rows, eligible = np.flatnonzero(groups.ravel() == group), np.flatnonzero(pattern).tolist()
        size = max(1, min(_CHUNK_ROWS, _CHUNK_VALUES // max(1, len(eligible))))
        for start in range(0, len(rows) if eligible else 0, size):
            chunk = rows[start : start + size]
            yield Chunk(chunk, eligible, cost[chunk][:, eligible])


def _is_default_feature(column: Any) -> bool:
    if not column.has_role("feature") or column.type == "datetime":
        return False
    return column.type != "string" or 0 < len(column.levels or ()) <= _MAX_LEVELS


def _feature_index(name: str, columns: Sequence[Column], by_name: dict[str, int]) -> int:
    if name not in by_name or not columns[by_name[name]].has_role("feature"):
        features = ", ".join(column.name for column in columns if column.has_role("feature"))
        raise RecipeError(f"ranking: column '{name}' is not a feature; use one of: {features}")
    column = columns[by_name[name]]
    if column.type == "datetime" or (column.type == "string" and not column.levels):
        raise RecipeError(
            f"ranking: column '{name}' has type {column.type} without levels and cannot be "
            "learned from; remove it from columns"
        )
    return by_name[name]
