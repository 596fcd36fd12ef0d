"""A trained model as other programs use it: predict, explain, recommend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.contents import Parts, from_files, to_files
from churnkit.bundle.entity_ids import entities, refuse_repeated
from churnkit.bundle.format.manifest import Manifest, read_folder, write_folder
from churnkit.bundle.parts.ranker import Ranker, ranked_columns, refuse_unfit
from churnkit.bundle.result_table import tabulate
from churnkit.bundle.shap_reasons import Reason, reasons_for
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.errors import BundleError, RecipeError

if TYPE_CHECKING:
    import os
    from datetime import date, datetime

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.contracts.encoding.table_encoder import TableEncoder
    from churnkit.decisions import (
        Catalogue,
        CompiledRanking,
        DecisionContext,
        Decisions,
        MeasuredEffects,
    )
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.journal import Journal
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["RetentionModel"]

# From here on a matrix is scored in one call; below, row by row is quicker.
_BULK_ROWS = 8


class RetentionModel:
    """A trained churn model with its contract and its catalogue of actions.

    Made by training, or by `churnkit.load`. It is immutable and safe to share between threads.

    Parameters
    ----------
    parts
        What it is made of.
    manifest
        From the bundle that it was loaded from or saved to, if there is one.
    """

    def __init__(self, parts: Parts, manifest: Manifest | None = None) -> None:
        self.parts = parts
        self.manifest = manifest

    def __repr__(self) -> str:
        digest = self.manifest.digest[:19] if self.manifest else "not saved"
        return f"<RetentionModel {self.name} ({digest})>"

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, signer: str | os.PathLike[str] | None = None
    ) -> RetentionModel:
        """Load a bundle folder.

        Parameters
        ----------
        path
            The folder.
        signer
            The file with the public key that must have signed it; None for any bundle.

        Raises
        ------
        BundleError
            If any byte differs from what was saved, the format is newer, or the signature is
            missing or not the signer's.
        """
        manifest, files = read_folder(path)
        try:
            if signer is not None:
                from churnkit.bundle.format.signing import verify

                verify(manifest, signer)
            return cls(from_files(files), manifest)
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from error

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Save the model as a bundle folder, whole or not at all.

        Parameters
        ----------
        path
            The folder to make; it must not exist.
        name, lineage
            For the manifest; a loaded model keeps its own.
        """
        signature = None
        if self.manifest is not None:
            same = name in {None, self.manifest.name} and lineage in (None, self.manifest.lineage)
            signature = self.manifest.signature if same else None
            name = name or self.manifest.name
            lineage = self.manifest.lineage if lineage is None else lineage
        return write_folder(
            path,
            to_files(self.parts),
            name=name or self.name,
            lineage=lineage or {},
            signature=signature,
        )

    @property
    def name(self) -> str:
        """The registered name, or the contract's."""
        return self.manifest.name if self.manifest else self.contract.name

    @property
    def digest(self) -> str | None:
        """The bundle's identity, ``sha256:...``; None until it is saved and loaded."""
        return self.manifest.digest if self.manifest else None

    @property
    def contract(self) -> Contract:
        """What a table of customers must look like."""
        return self.parts.contract

    @property
    def card(self) -> Mapping[str, Any]:
        """The facts of the training run: data, metrics with intervals, groups, drivers, limits."""
        return self.parts.card

    def card_page(self) -> str:
        """Return the model card as Markdown, for people."""
        from churnkit.bundle.card_markdown import render_card

        return render_card(self.card, self.manifest)

    def predict(self, customers: Any) -> Any:
        """Give each customer's probability of leaving.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts.

        Returns
        -------
        The same kind of table, a row for each row read, in order: the entity column,
        ``churn_probability``, and ``problem``: null, or which rules the row breaks (its
        probability is then null).

        Raises
        ------
        DataError
            If a column is missing.
        """
        encoded, columns = self._scored(customers, "predict")
        return self.tabulate(customers, encoded, columns)

    def explain(self, customers: Any, *, top: int = 3) -> Any:
        """Give each customer's probability with the `top` reasons for it.

        Returns
        -------
        As `predict`, with a column ``reasons``: a list of ``column``, ``reason`` (in the
        schema's words), ``points`` (percentage points of probability) and ``contribution``
        (log-odds), the strongest first.
        """
        encoded, columns = self._scored(customers, "predict")
        reasons = self.reasons(encoded, top=top)
        columns["reasons"] = [[reason.to_dict() for reason in row] for row in reasons]
        return self.tabulate(customers, encoded, columns)

    def recommend(
        self,
        customers: Any,
        *,
        budget: float | None = None,
        as_of: date | None = None,
        journal: Journal | None = None,
    ) -> Any:
        """Choose for each customer the action that pays most, or none.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts, with one row a customer.
        budget
            The most that all actions together may cost; no limit if None.
        as_of
            The day that is decided for; needed where the catalogue has holdouts, exploration,
            dates or contact rules.
        journal
            What went out before, for contact rules; nothing is written to it. `churnkit plan`
            writes.

        Returns
        -------
        The same kind of table, a row for each row read, in order: the entity column,
        ``churn_probability``, ``action`` (null for none), ``expected_gain``, ``gain_low``,
        ``gain_high``, ``cost``, ``reason`` and ``problem``. Of a model that ranks:
        ``action`` (the first place), ``options``, ``propensities`` and ``values`` (lists, best
        first), ``reason`` and ``problem``.

        Raises
        ------
        DataError
            If a column is missing, or a customer stands in two rows.
        RecipeError
            If the model was trained without actions, or ranks and a budget is given.
        """
        encoded, probability = self.judge(customers)
        context = (
            None if as_of is None else self.decision_context(encoded, as_of=as_of, journal=journal)
        )
        if self.parts.ranker is not None:
            if budget is not None:
                raise RecipeError(f"model '{self.name}' ranks options: leave the budget out")
            ranked = ranked_columns(
                self.parts.ranker, self.compiled_ranking, encoded, as_of=as_of, context=context
            )
            return self.tabulate(customers, encoded, {"churn_probability": probability, **ranked})
        decisions = self.decide(encoded, probability, budget=budget, context=context)
        columns = {"churn_probability": probability, **decisions.to_columns()}
        return self.tabulate(customers, encoded, columns)

    def judge(self, customers: Any) -> tuple[Encoded, NDArray[np.float64]]:
        """Read and score customers for decisions; refuse a customer who stands in two rows."""
        encoded, columns = self._scored(customers, "recommend", unique=True)
        return encoded, columns["churn_probability"]

    def decision_context(
        self,
        encoded: Encoded,
        *,
        as_of: date,
        journal: Journal | None = None,
        at: datetime | None = None,
    ) -> DecisionContext:
        """Tell who the customers of encoded rows are, with their past from the journal."""
        from churnkit.journal import read_decision_context

        rules = self.parts.rules or self.catalogue
        return read_decision_context(journal, entities(encoded), rules, as_of=as_of, at=at)

    @property
    def catalogue(self) -> Catalogue:
        """The actions that it recommends.

        Raises
        ------
        RecipeError
            If the model was trained without any.
        """
        return self.compiled_catalogue.catalogue

    def segments(self, customers: Any) -> Any:
        """Give each customer's group of behaviour, as the training found and named it.

        Parameters
        ----------
        customers
            As in `predict`.

        Returns
        -------
        A table like `customers`: the entity, ``segment`` (null for a row that breaks a rule),
        and ``problem``.

        Raises
        ------
        RecipeError
            If the training had too few customers to find groups in.
        """
        clusters = self.parts.clusters
        if clusters is None:
            raise RecipeError(
                f"model '{self.name}' knows no groups of behaviour: train again, with 60 customers "
                "and two columns of numbers at least"
            )
        encoded = self.encode(customers, "predict")
        places = [self.contract.feature_names.index(name) for name in clusters.columns]
        group = clusters.assign(encoded.features[:, places])
        names = [
            clusters.names[place] if good else None
            for place, good in zip(group.tolist(), encoded.valid.tolist(), strict=True)
        ]
        return self.tabulate(customers, encoded, {"segment": names})

    def survival(self, customers: Any, times: Sequence[float]) -> Any:
        """Give each customer's probability of still being there at each time.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts.
        times
            From the row's date on, in the unit of the durations of the training.

        Returns
        -------
        As `predict`, with the columns ``survival_1``, ``survival_3``, ... for times 1, 3, ...

        Raises
        ------
        DataError
            If a column is missing.
        RecipeError
            If the model was trained without a hazard.
        """
        from churnkit.bundle.parts.survival import survival_columns

        encoded = self.encode(customers)
        columns = survival_columns(self.parts.hazard, self.name, encoded, times)
        return self.tabulate(customers, encoded, columns)

    def lifetime(self, customers: Any, *, horizon: float | None = None) -> Any:
        """Give each customer's expected time until leaving or the horizon.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts.
        horizon
            In the unit of the durations of the training; the hazard's own if not given.

        Returns
        -------
        As `predict`, with the column ``expected_lifetime``. Raises as `survival`.
        """
        from churnkit.bundle.parts.survival import lifetime_columns

        encoded = self.encode(customers)
        columns = lifetime_columns(self.parts.hazard, self.name, encoded, horizon)
        return self.tabulate(customers, encoded, columns)

    def snapshot(self, tables: Mapping[str, Any], *, as_of: Any) -> pa.Table:
        """Make the customers' rows at a date from raw tables, by the plan of the training.

        Parameters
        ----------
        tables
            The raw tables by name: files, or pandas, polars or Arrow tables.
        as_of
            The date; rows known strictly before it are seen.

        Returns
        -------
        A row for each eligible customer, as `predict` and `recommend` take them.

        Raises
        ------
        RecipeError
            If the model was trained on a ready table, or the tables do not fit the plan.
        """
        if self.parts.timeline is None:
            raise RecipeError(
                f"model '{self.name}' was trained on a ready table and has no plan for raw "
                "tables: give predict() that table's columns"
            )
        from churnkit.timeline import build

        return build(self.parts.timeline.at(as_of), tables)

    def warm_up(self) -> None:
        """Load compiled kernels now, so that no later call has to wait for them.

        A service does this before it says that it is ready. Without it, calls with few rows
        are answered by numpy alone, with the same bits.
        """
        if hasattr(self.parts.scorer, "warm_up"):
            self.parts.scorer.warm_up()
        if self.parts.ranker is not None:
            self.compiled_ranking.warm_up(self.parts.ranker.bandit)

    def encode(self, customers: Any, purpose: Purpose = "predict") -> Encoded:
        """Read, check and encode customers: the first step of every door."""
        if isinstance(customers, Sequence) and all(isinstance(row, Mapping) for row in customers):
            return self._row_encoder(purpose).encode(customers)
        from churnkit.contracts.arrow_interop import as_arrow

        return self._table_encoder(purpose).encode(as_arrow(customers), name="the table")

    def probabilities(self, encoded: Encoded) -> NDArray[np.float64]:
        """Score encoded rows, (n,); NaN for rows that break a rule."""
        probability = np.full(len(encoded.matrix), np.nan)
        valid = encoded.valid
        rows = np.ascontiguousarray(encoded.features[valid])
        if len(rows) < _BULK_ROWS:
            score, apply = self.parts.scorer.raw_score_row, self.parts.calibration.apply_one
            probability[valid] = [apply(score(row)) for row in rows.tolist()]
        else:
            probability[valid] = self.parts.calibration.apply(self.parts.scorer.raw_score(rows))
        return probability

    def reasons(self, encoded: Encoded, *, top: int = 3) -> list[list[Reason]]:
        """Give the strongest reasons of encoded rows; none for rows that break a rule."""
        valid = np.flatnonzero(encoded.valid)
        rows = np.ascontiguousarray(encoded.features[valid])
        reasons: list[list[Reason]] = [[] for _ in range(len(encoded.matrix))]
        if len(rows):
            found = reasons_for(
                self.contract.features,
                rows,
                self.parts.scorer.contributions(rows),
                self.parts.calibration,
                top=top,
            )
            for position, row in zip(valid.tolist(), found, strict=True):
                reasons[position] = row
        return reasons

    def decide(
        self,
        encoded: Encoded,
        probability: NDArray[np.float64],
        *,
        budget: float | None = None,
        context: DecisionContext | None = None,
    ) -> Decisions:
        """Choose actions for rows encoded for ``"recommend"``; see `churnkit.decisions.decide`."""
        from churnkit.decisions import decide

        return decide(
            probability,
            encoded.matrix,
            self.compiled_catalogue,
            budget=budget,
            context=context,
            treatment_effects=self.treatment_effects(encoded.features),
            survival_weights=self.survival_weights(encoded.features),
        )

    def treatment_effects(self, features: NDArray[np.float64]) -> MeasuredEffects | None:
        """Give the effects that an experiment measured, for encoded features (n, f)."""
        tried, catalogue = self.parts.tried, self.parts.catalogue
        if tried is None or catalogue is None:
            return None
        return tried.treatment_effects(catalogue, features)

    def survival_weights(self, features: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Give for how many periods' value each customer is good with each action, (n, m).

        None where the catalogue does not count by survival.
        """
        hazard, catalogue = self.parts.hazard, self.parts.catalogue
        if hazard is None or catalogue is None or not catalogue.survival:
            return None
        return hazard.survival_weights(features, catalogue.horizons, rate=catalogue.rate)

    @cached_property
    def compiled_catalogue(self) -> CompiledCatalogue:
        """The catalogue, ready to decide on rows encoded for ``"recommend"``.

        Raises
        ------
        RecipeError
            If the model was trained without actions, or ranks options.
        """
        if self.parts.ranker is not None:
            raise RecipeError(
                f"model '{self.name}' ranks options and weighs no gains, so there is nothing to "
                "plan: use churnkit rank, recommend() in Python, or /v1/recommend"
            )
        if self.parts.catalogue is None:
            raise RecipeError(
                f"model '{self.name}' was trained without actions: name some in the recipe "
                "(actions=Catalogue(...)) and train again"
            )
        return self.parts.catalogue.compile(self.contract.encoded("recommend"))

    @property
    def ranker(self) -> Ranker:
        """The options that it ranks, and what is known of them.

        Raises
        ------
        RecipeError
            If the model ranks nothing.
        """
        if self.parts.ranker is None:
            raise RecipeError(
                f"model '{self.name}' ranks nothing: name options in the recipe "
                "(actions=Ranking(...)) and train again"
            )
        return self.parts.ranker

    @cached_property
    def compiled_ranking(self) -> CompiledRanking:
        """The ranking, ready for rows encoded for ``"recommend"``. Raises as `ranker`."""
        return self.ranker.ranking.compile(self.contract.encoded("recommend"))

    def with_bandit(self, bandit: LinearBandit) -> RetentionModel:
        """Return this model with what was learned of its options since.

        Parameters
        ----------
        bandit
            From `churnkit.bundle.parts.bandit.load_bandit`, or of your own updates.

        Raises
        ------
        BundleError
            If it was learned from other columns.
        """
        compiled = self.compiled_ranking
        refuse_unfit(bandit, compiled)
        ranker = Ranker(compiled.ranking, bandit)
        return RetentionModel(replace(self.parts, ranker=ranker), self.manifest)

    def predict_row(self, row: Mapping[str, Any]) -> float | None:
        """Give one customer's probability with the least work; None if the row is refused.

        `predict` of the same row says why.
        """
        values = self._strict_rows.encode_row(row)
        if values is None:
            return None
        return self.parts.calibration.apply_one(self.parts.scorer.raw_score_row(values))

    @cached_property
    def _strict_rows(self) -> RowEncoder:
        return RowEncoder(self.contract, "predict")

    @cached_property
    def _encoders(self) -> dict[str, Any]:
        return {}

    def _row_encoder(self, purpose: Purpose) -> RowEncoder:
        key = f"rows {purpose}"
        if key not in self._encoders:
            self._encoders[key] = RowEncoder(self.contract, purpose, lenient=True)
        encoder: RowEncoder = self._encoders[key]
        return encoder

    def _table_encoder(self, purpose: Purpose) -> TableEncoder:
        from churnkit.contracts.encoding.table_encoder import TableEncoder

        key = f"table {purpose}"
        if key not in self._encoders:
            self._encoders[key] = TableEncoder(self.contract, purpose)
        encoder: TableEncoder = self._encoders[key]
        return encoder

    def _scored(
        self, customers: Any, purpose: Purpose, *, unique: bool = False
    ) -> tuple[Encoded, dict[str, Any]]:
        encoded = self.encode(customers, purpose)
        if unique:
            refuse_repeated(encoded, self.contract.entity.name)
        return encoded, {"churn_probability": self.probabilities(encoded)}

    def tabulate(self, original: Any, encoded: Encoded, columns: Mapping[str, Any]) -> Any:
        """Put columns beside the customers' ids and problems, in a table like `original`."""
        return tabulate(original, encoded, columns, entity=self.contract.entity.name)
