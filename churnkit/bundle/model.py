"""The trained model that other programs use: predict, explain, recommend."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.deciding import DecidingModel
from churnkit.bundle.entity_ids import entities
from churnkit.bundle.format.manifest import Manifest, read_folder, write_folder
from churnkit.bundle.result_table import ranked_columns, tabulate
from churnkit.errors import BundleError, RecipeError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from datetime import date

    import pyarrow as pa

    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.decisions import DecisionContext, RankingDecision
    from churnkit.journal import Journal

__all__ = ["RetentionModel"]


class RetentionModel(DecidingModel):
    """A trained churn model with its contract and its catalogue of actions.

    Made by training, or by `churnkit.load`. It is immutable and safe to share between threads.

    Parameters
    ----------
    contents
        Contract, scorer, calibration, and whatever else a bundle stores.
    manifest
        Of the bundle that the model was loaded from, if any.
    registered_version
        Version in the registry that the model was loaded from, if any.
    """

    def __repr__(self) -> str:
        digest = self.manifest.digest[:19] if self.manifest else "not saved"
        return f"<RetentionModel {self.name} ({digest})>"

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        signer: str | os.PathLike[str] | None = None,
        registered_version: str | None = None,
        require_golden: bool = True,
    ) -> Self:
        """Load a bundle folder.

        Parameters
        ----------
        path
            The folder.
        signer
            File with the public key that must have signed the bundle; None accepts any bundle.
        registered_version
            Version in the registry that the folder holds, if any.
        require_golden
            Refuse a bundle without golden rows, whose scores cannot be checked.

        Returns
        -------
        RetentionModel

        Raises
        ------
        BundleError
            If a byte differs from what was saved, the format is newer, the signature is missing
            or another key's, a limit of `churnkit.bundle.format.limits` is exceeded, or there
            are no golden rows.
        """
        manifest, files = read_folder(path)
        try:
            if signer is not None:
                from churnkit.bundle.format.signing import verify

                verify(manifest, signer)
            contents = from_files(files, require_golden=require_golden)
            return cls(contents, manifest, registered_version)
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from error

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        lineage: Mapping[str, Any] | None = None,
    ) -> Manifest:
        """Save the model as a bundle folder, atomically.

        Parameters
        ----------
        path
            The folder to create; it must not exist.
        name, lineage
            For the manifest; those of the loaded manifest if None.

        Returns
        -------
        Manifest

        Raises
        ------
        BundleError
            If the folder exists or cannot be written.
        """
        signature = None
        if self.manifest is not None:
            same = name in {None, self.manifest.name} and lineage in (None, self.manifest.lineage)
            signature = self.manifest.signature if same else None
            name = name or self.manifest.name
            lineage = self.manifest.lineage if lineage is None else lineage
        return write_folder(
            path,
            to_files(self.contents),
            name=name or self.name,
            lineage=lineage or {},
            signature=signature,
        )

    def tested(self) -> Self:
        """Return the model of the same settings that was fitted without the test customers.

        The model itself is fitted on all customers of the training table. Metrics and comparisons
        on the test customers use the tested model, which has not seen them.

        Returns
        -------
        RetentionModel
            This model itself if it was trained by a version that fitted one model only.
        """
        evaluation = self.contents.evaluation
        if evaluation is None:
            return self
        contents = replace(
            self.contents,
            scorer=evaluation.scorer,
            calibration=evaluation.calibration,
            golden=None,
            texts={},
            evaluation=None,
        )
        return type(self)(contents, self.manifest)

    @property
    def card(self) -> Mapping[str, Any]:
        """The model card as data: training data, metrics with intervals, slices, drivers."""
        return self.contents.card

    def card_markdown(self) -> str:
        """Return the model card as Markdown."""
        from churnkit.bundle.card_markdown import render_card

        return render_card(self.card, self.manifest)

    def predict(self, customers: Any, *, interval: bool = False) -> Any:
        """Return each customer's churn probability.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts.
        interval
            Add ``probability_low`` and ``probability_high``: an interval that holds the
            probability, often as one of its ends, and the churn rate of tested customers with
            similar scores. See `churnkit.models.VennAbers`.

        Returns
        -------
        The same kind of table, one row per input row, in order: the entity column,
        ``churn_probability``, and ``problem``: null, or the rules that the row breaks (its
        probability is then null).

        Raises
        ------
        DataError
            If a column is missing.
        RecipeError
            If `interval` and the model has no intervals.
        """
        encoded, probabilities = self.score_table(customers)
        columns = {"churn_probability": probabilities}
        if interval:
            columns |= self.interval_columns(probabilities)
        return self.tabulate(customers, encoded, columns)

    def explain(self, customers: Any, *, top: int = 3) -> Any:
        """Return each customer's churn probability with the `top` reasons for it.

        Parameters
        ----------
        customers
            As in `predict`.
        top
            The most reasons per customer.

        Returns
        -------
        As `predict`, with a column ``reasons``: a list of ``column``, ``reason`` (in the
        schema's words), ``points`` (percentage points of probability) and ``contribution``
        (log-odds), the strongest first. With all features in the list, the points add up to the
        churn probability minus `base_probability`.

        Raises
        ------
        DataError
            If a column is missing.
        """
        encoded, probabilities = self.score_table(customers)
        reasons = self.reasons(encoded, top=top)
        columns = {
            "churn_probability": probabilities,
            "reasons": [[reason.to_dict() for reason in row] for row in reasons],
        }
        return self.tabulate(customers, encoded, columns)

    def recommend(
        self,
        customers: Any,
        *,
        budget: float | None = None,
        as_of: date | None = None,
        journal: Journal | None = None,
    ) -> Any:
        """Choose for each customer the action with the highest expected gain, or none.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts, with one row per customer.
        budget
            The most that all actions may cost together; no limit if None.
        as_of
            The day that is decided for; needed where the catalogue has holdouts, exploration,
            dates or contact rules.
        journal
            Past contacts, for contact rules. Nothing is written to it; `churnkit plan` writes.

        Returns
        -------
        The same kind of table, one row per input row, in order: the entity column,
        ``churn_probability``, ``action`` (null for none), ``expected_gain``, ``gain_low``,
        ``gain_high``, ``cost``, ``reason`` and ``problem``. For a model that ranks:
        ``action`` (the first place), ``options``, ``propensities`` and ``values`` (lists, best
        first), ``reason`` and ``problem``.

        Raises
        ------
        DataError
            If a column is missing, or a customer has two rows.
        RecipeError
            If the model was trained without actions, or ranks and a budget is given.
        """
        encoded, probabilities = self.score_table(customers, "recommend", unique=True)
        context = None
        if as_of is not None:
            context = self.decision_context(entities(encoded), as_of=as_of, journal=journal)
        if self.contents.ranker is None:
            columns = self.decide_table(
                probabilities, encoded.matrix, budget=budget, context=context
            ).to_columns()
        elif budget is not None:
            raise RecipeError(f"model '{self.name}' ranks options: leave the budget out")
        else:
            columns = ranked_columns(self._rank(encoded, as_of, context))
        return self.tabulate(customers, encoded, {"churn_probability": probabilities, **columns})

    def _rank(
        self, encoded: Encoded, as_of: date | None, context: DecisionContext | None
    ) -> list[RankingDecision | None]:
        """Rank for the rows that break no rule; None for the others."""
        customers = entities(encoded)
        rows = np.flatnonzero(encoded.valid).tolist()
        names = [customers[row] for row in rows]
        ranked = self.rank_table(
            encoded.matrix[rows],
            keys=[f"{name}:{as_of}" for name in names],
            context=None if context is None else replace(context, customers=names),
        )
        slates: list[RankingDecision | None] = [None] * len(customers)
        for row, slate in zip(rows, ranked, strict=True):
            slates[row] = slate
        return slates

    def segments(self, customers: Any) -> Any:
        """Return each customer's behavioral segment, as training found and named it.

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
            If training had too few customers to find segments.
        """
        clusters = self.contents.clusters
        if clusters is None:
            raise RecipeError(
                f"model '{self.name}' has no segments: retrain with at least 60 rows and 2 "
                "numeric features"
            )
        encoded = self.encode(customers)
        positions = [self.contract.feature_names.index(name) for name in clusters.columns]
        assigned = clusters.assign(encoded.features[:, positions]).tolist()
        segments = [
            clusters.names[cluster] if valid else None
            for cluster, valid in zip(assigned, encoded.valid.tolist(), strict=True)
        ]
        return self.tabulate(customers, encoded, {"segment": segments})

    def causes(self, customers: Any) -> Any:
        """Return each customer's probability of leaving for each cause of churn.

        Parameters
        ----------
        customers
            As in `predict`.

        Returns
        -------
        As `predict`, with a column for each cause, such as ``churn_probability_voluntary``: the
        cumulative incidences within the outcome window, which sum to ``churn_probability``.

        Raises
        ------
        DataError
            If a column is missing.
        RecipeError
            If the model was trained without causes.
        """
        from churnkit.bundle.parts.causes import cause_columns

        encoded, probabilities = self.score_table(customers)
        columns = cause_columns(self.contents.causes, self.name, encoded, probabilities)
        return self.tabulate(customers, encoded, {"churn_probability": probabilities, **columns})

    def survival(self, customers: Any, times: Sequence[float]) -> Any:
        """Return each customer's probability of staying beyond each time.

        Parameters
        ----------
        customers
            As in `predict`.
        times
            From the row's date on, in the unit of the training durations.

        Returns
        -------
        As `predict`, with the columns ``survival_1``, ``survival_3``, ... for times 1, 3, ...

        Raises
        ------
        DataError
            If a column is missing.
        RecipeError
            If the model was trained without a hazard model.
        """
        from churnkit.bundle.parts.survival import survival_columns

        encoded = self.encode(customers)
        columns = survival_columns(self.contents.hazard, self.name, encoded, times)
        return self.tabulate(customers, encoded, columns)

    def incidence(self, customers: Any, times: Sequence[float]) -> Any:
        """Return each customer's probability of having left for each cause by each time.

        Parameters
        ----------
        customers, times
            As in `survival`.

        Returns
        -------
        As `predict`, with columns such as ``incidence_voluntary_3``; for each time they and the
        survival sum to 1.

        Raises
        ------
        DataError
            If a column is missing.
        RecipeError
            If the model was trained without a hazard model of causes.
        """
        from churnkit.bundle.parts.survival import incidence_columns

        encoded = self.encode(customers)
        columns = incidence_columns(self.contents.hazard, self.name, encoded, times)
        return self.tabulate(customers, encoded, columns)

    def lifetime(self, customers: Any, *, horizon: float | None = None) -> Any:
        """Return each customer's expected time until churn or the horizon.

        Parameters
        ----------
        customers
            As in `predict`.
        horizon
            In the unit of the training durations; the hazard model's own if None.

        Returns
        -------
        As `predict`, with the column ``expected_lifetime``. Raises as `survival`.
        """
        from churnkit.bundle.parts.survival import lifetime_columns

        encoded = self.encode(customers)
        columns = lifetime_columns(self.contents.hazard, self.name, encoded, horizon)
        return self.tabulate(customers, encoded, columns)

    def snapshot(self, tables: Mapping[str, Any], *, as_of: Any) -> pa.Table:
        """Build the customers' rows at a date from raw tables, as training did.

        Parameters
        ----------
        tables
            The raw tables by name: files, or pandas, polars or Arrow tables.
        as_of
            The date; only rows known strictly before it count.

        Returns
        -------
        A row for each eligible customer, in the form that `predict` and `recommend` take.

        Raises
        ------
        RecipeError
            If the model was trained on a prepared table, or the tables do not fit its timeline.
        """
        if self.contents.timeline is None:
            raise RecipeError(
                f"model '{self.name}' was trained on a prepared table and has no timeline for raw "
                "tables: give predict() that table's columns"
            )
        from churnkit.timeline import build

        return build(self.contents.timeline.at(as_of), tables)

    def tabulate(self, original: Any, encoded: Encoded, columns: Mapping[str, Any]) -> Any:
        """Return columns with the customers' ids and problems, as a table like `original`."""
        return tabulate(original, encoded, columns, entity=self.contract.entity.name)
