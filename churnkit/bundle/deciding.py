"""Choose actions for scored customers: the second half of `RetentionModel`."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.bundle.parts.causes import cause_shares
from churnkit.bundle.parts.ranker import Ranker, refuse_unfit
from churnkit.bundle.scoring import ScoringModel
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.competing_risks import preventable_shares
from churnkit.decisions.decide_row import decide_one
from churnkit.decisions.eligibility.context import context_requirements
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

    from churnkit.decisions import (
        Catalogue,
        CompiledRanking,
        Decision,
        DecisionContext,
        Decisions,
        MeasuredEffects,
        RankingDecision,
        ShadowPrices,
    )
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.gain import Gains
    from churnkit.journal import Journal
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["DecidingModel"]


class DecidingModel(ScoringModel):
    """A model that chooses actions, with its treatment effects and survival weights."""

    def decide_row(
        self,
        probability: float,
        values: Sequence[float],
        *,
        budget: float | None = None,
        prices: ShadowPrices | None = None,
        context: DecisionContext | None = None,
    ) -> Decision:
        """Decide for one customer without building a table.

        Parameters
        ----------
        probability
            Churn probability.
        values
            (k,) the customer, encoded for ``"recommend"``.
        budget
            The most that the action may cost, in money.
        prices
            Shadow prices of a plan; the decision is the plan's for one more customer.
        context
            The customer and the day, where the catalogue needs them.

        Returns
        -------
        Decision

        Raises
        ------
        RecipeError
            If the model has no catalogue, or `context` is needed.
        """
        effects, weights, share = None, None, None
        if self._reads_features:
            features = np.array([values[: self._n_features]])
            table = self.preventable_share(features)
            effects = self._measured_effects(features, np.array([probability]), table)
            weights = _as_lists(self.survival_weights(features), 1)[0]
            share = _as_lists(table, 1)[0]
        return decide_one(
            probability,
            values,
            self.compiled_catalogue,
            budget=budget,
            prices=prices,
            treatment_effects=effects,
            survival_weights=weights,
            preventable_share=share,
            context=context,
        )

    def decide_rows(
        self,
        probabilities: NDArray[np.float64],
        matrix: NDArray[np.float64],
        *,
        prices: ShadowPrices,
        context: DecisionContext | None = None,
    ) -> list[Decision]:
        """Decide for customers one by one at a plan's shadow prices, where they do not compete.

        Parameters
        ----------
        probabilities
            (n,) churn probabilities.
        matrix
            (n, k) the customers, encoded for ``"recommend"``.
        prices
            Shadow prices of a plan.
        context
            The customers and the day, where the catalogue needs them.

        Returns
        -------
        list of Decision
            In the customers' order.
        """
        features = matrix[:, : self._n_features]
        weights = _as_lists(self.survival_weights(features), len(features))
        table = self.preventable_share(features)
        shares = _as_lists(table, len(features))
        return [
            decide_one(
                probability,
                matrix[row].tolist(),
                self.compiled_catalogue,
                prices=prices,
                treatment_effects=self._measured_effects(
                    features[row : row + 1],
                    probabilities[row : row + 1],
                    None if table is None else table[row : row + 1],
                ),
                survival_weights=weights[row],
                preventable_share=shares[row],
                context=None
                if context is None
                else replace(context, customers=[context.customers[row]]),
            )
            for row, probability in enumerate(probabilities.tolist())
        ]

    def decide_table(
        self,
        probabilities: NDArray[np.float64],
        matrix: NDArray[np.float64],
        *,
        budget: float | None = None,
        context: DecisionContext | None = None,
        used: Mapping[str, tuple[int, float]] | None = None,
    ) -> Decisions:
        """Decide for customers together, within the budget and all capacities.

        Parameters
        ----------
        probabilities
            (n,) churn probabilities; NaN for customers that get no action.
        matrix
            (n, k) the customers, encoded for ``"recommend"``.
        budget
            The most that all actions may cost together, in money.
        context
            The customers and the day, where the catalogue needs them.
        used
            Customers and cost by action that the period has spent, from `Journal.used`.

        Returns
        -------
        Decisions
            In the customers' order.

        Raises
        ------
        RecipeError
            If the model has no catalogue, or `context` is needed.
        """
        from churnkit.decisions import decide

        return decide(
            probabilities,
            matrix,
            self.compiled_catalogue,
            budget=budget,
            context=context,
            used=used,
            **self._effects(matrix, probabilities),
        )

    def action_gains(
        self, probabilities: NDArray[np.float64], matrix: NDArray[np.float64]
    ) -> tuple[Gains, NDArray[np.int8]]:
        """Return the gains of every action, and what excludes each, (n, m).

        Parameters
        ----------
        probabilities, matrix
            As in `decide_table`.
        """
        from churnkit.decisions.eligibility.exclusions import table_exclusions
        from churnkit.decisions.gain import catalogue_gain

        excluded = table_exclusions(self.compiled_catalogue, matrix)
        gains = catalogue_gain(
            probabilities,
            matrix,
            self.compiled_catalogue,
            barred=excluded,
            **self._effects(matrix, probabilities),
        )
        return gains, excluded

    def rank_table(
        self,
        matrix: NDArray[np.float64],
        *,
        keys: Sequence[str],
        bandit: LinearBandit | None = None,
        context: DecisionContext | None = None,
        budget_price: float = 0.0,
    ) -> list[RankingDecision]:
        """Rank the options for each customer.

        Parameters
        ----------
        matrix
            (n, k) the customers, encoded for ``"recommend"``.
        keys
            (n,) keys of the decisions: the same key and state give the same slate.
        bandit
            The state to rank by; the model's own if None.
        context
            The customers and the day, where the ranking needs them.
        budget_price
            What a unit of the budget is worth elsewhere; see `RetentionModel.ranking_price`.

        Returns
        -------
        list of RankingDecision
            In the customers' order.

        Raises
        ------
        RecipeError
            If the model ranks nothing, or `context` is needed.
        """
        from churnkit.decisions.ranking.compiled import rank_rows

        bandit = bandit or self.ranker.bandit
        return rank_rows(
            self.compiled_ranking,
            matrix,
            bandit,
            keys=keys,
            context=context,
            budget_price=budget_price,
        )

    def ranking_price(
        self,
        matrix: NDArray[np.float64],
        *,
        keys: Sequence[str],
        budget: float,
        context: DecisionContext | None = None,
    ) -> float:
        """Return the price at which the slates of all customers fit a budget.

        Parameters
        ----------
        matrix, keys, context
            As in `rank_table`.
        budget
            Total expected cost of the slates, in money.

        Returns
        -------
        float
            The price, 0 if all slates fit.

        Raises
        ------
        RecipeError
            If the ranking has no `reward_value`, or the random slates alone cost more.
        """
        from churnkit.decisions.ranking.budget import budget_price

        return budget_price(
            self.compiled_ranking,
            matrix,
            self.ranker.bandit,
            keys=keys,
            budget=budget,
            context=context,
        )

    def decision_context(
        self,
        customers: Sequence[str],
        *,
        as_of: date,
        journal: Journal | None = None,
        at: datetime | None = None,
    ) -> DecisionContext:
        """Return the context of a decision: the customers, the day, and their past contacts.

        Parameters
        ----------
        customers
            (n,) customers' ids as text.
        as_of
            The day that is decided for.
        journal
            Read for contacts and outcomes; None without contact rules.
        at
            The time from which contact rules look back; midnight of `as_of`, UTC, if None.
        """
        from churnkit.journal import read_decision_context

        rules = self.contents.rules or self.catalogue
        return read_decision_context(journal, customers, rules, as_of=as_of, at=at)

    @cached_property
    def needs_context(self) -> bool:
        """True if decisions need a `DecisionContext`: for holdouts, exploration, dates, contacts."""
        rules = self.contents.rules
        return rules is not None and bool(context_requirements(rules))

    def treatment_effects(
        self, customers: Any, probabilities: NDArray[np.float64]
    ) -> MeasuredEffects | None:
        """Return the effects that an experiment measured, within each customer's risk.

        Parameters
        ----------
        customers
            As in `preventable_share`.
        probabilities
            (n,) churn probabilities; NaN for customers who were not scored.
        """
        features = self._features(customers)
        return self._measured_effects(features, probabilities, self.preventable_share(features))

    def preventable_share(self, customers: Any) -> NDArray[np.float64] | None:
        """Return the share of each customer's churn risk that each action can prevent, (n, m).

        None where all actions of the catalogue act on all causes of churn.

        Parameters
        ----------
        customers
            As in `encode`, or their features as it encodes them, (n, f).

        Raises
        ------
        DataError
            If a table lacks a column.
        """
        causes, catalogue = self.contents.causes, self.contents.catalogue
        if causes is None or catalogue is None or not _acts_on_causes(catalogue):
            return None
        shares = cause_shares(causes, self._features(customers))
        return preventable_shares(catalogue, causes.causes, shares)

    def survival_weights(self, customers: Any) -> NDArray[np.float64] | None:
        """Return the expected number of paying periods with each action, (n, m).

        None where the catalogue does not count value by survival.

        Parameters
        ----------
        customers
            As in `preventable_share`.
        """
        hazard, catalogue = self.contents.hazard, self.contents.catalogue
        if hazard is None or catalogue is None or not catalogue.survival:
            return None
        features = self._features(customers)
        return hazard.survival_weights(features, catalogue.horizons, rate=catalogue.rate)

    def _features(self, customers: Any) -> NDArray[np.float64]:
        """Return the features of a table's customers, or those that are encoded already."""
        return customers if isinstance(customers, np.ndarray) else self.encode(customers).features

    @property
    def catalogue(self) -> Catalogue:
        """The actions that the model recommends.

        Raises
        ------
        RecipeError
            If the model was trained without actions, or ranks options.
        """
        return self.compiled_catalogue.catalogue

    @cached_property
    def compiled_catalogue(self) -> CompiledCatalogue:
        """The catalogue, compiled for rows encoded for ``"recommend"``; raises as `catalogue`."""
        if self.contents.ranker is not None:
            raise RecipeError(
                f"model '{self.name}' ranks options and has no gains to plan with: use churnkit "
                "rank, recommend() in Python, or /v1/recommend"
            )
        if self.contents.catalogue is None:
            raise RecipeError(
                f"model '{self.name}' was trained without actions: add actions=Catalogue(...) to "
                "the recipe and retrain"
            )
        return compile_catalogue(self.contents.catalogue, self.contract.encoded("recommend"))

    @property
    def ranker(self) -> Ranker:
        """The options that the model ranks, with their bandit.

        Raises
        ------
        RecipeError
            If the model ranks nothing.
        """
        if self.contents.ranker is None:
            raise RecipeError(
                f"model '{self.name}' ranks nothing: add actions=Ranking(...) to the recipe and "
                "retrain"
            )
        return self.contents.ranker

    @cached_property
    def compiled_ranking(self) -> CompiledRanking:
        """The ranking, compiled for rows encoded for ``"recommend"``; raises as `ranker`."""
        return compile_ranking(self.ranker.ranking, self.contract.encoded("recommend"))

    def with_bandit(self, bandit: LinearBandit) -> Self:
        """Return this model with another state of its bandit.

        Parameters
        ----------
        bandit
            From `churnkit.bundle.parts.bandit.load_bandit`, or updated by your own code.

        Raises
        ------
        BundleError
            If the bandit reads other columns.
        """
        compiled = self.compiled_ranking
        refuse_unfit(bandit, compiled)
        ranker = Ranker(compiled.ranking, bandit)
        contents = replace(self.contents, ranker=ranker)
        return type(self)(contents, self.manifest, self.registered_version)

    def warm_up(self) -> None:
        """Load compiled kernels now, so that no later call waits for them."""
        super().warm_up()
        if self.contents.ranker is not None:
            self.compiled_ranking.warm_up(self.contents.ranker.bandit)

    def _effects(
        self, matrix: NDArray[np.float64], probabilities: NDArray[np.float64]
    ) -> dict[str, Any]:
        features = matrix[:, : self._n_features]
        share = self.preventable_share(features)
        return {
            "treatment_effects": self._measured_effects(features, probabilities, share),
            "survival_weights": self.survival_weights(features),
            "preventable_share": share,
        }

    def _measured_effects(
        self,
        features: NDArray[np.float64],
        probabilities: NDArray[np.float64],
        share: NDArray[np.float64] | None,
    ) -> MeasuredEffects | None:
        uplift, catalogue = self.contents.uplift, self.contents.catalogue
        if uplift is None or catalogue is None:
            return None
        return uplift.treatment_effects(catalogue, features, probabilities, share)

    @cached_property
    def _reads_features(self) -> bool:
        """True if decisions read the features, not only the churn probability."""
        catalogue = self.contents.catalogue
        return self.contents.uplift is not None or (
            catalogue is not None and (catalogue.survival or _acts_on_causes(catalogue))
        )


def _acts_on_causes(catalogue: Catalogue) -> bool:
    return any(action.prevents for action in catalogue.actions)


def _as_lists(table: NDArray[np.float64] | None, rows: int) -> Sequence[list[float] | None]:
    return [None] * rows if table is None else table.tolist()
