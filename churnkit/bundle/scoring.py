"""Read, check and score customers: the first half of `RetentionModel`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from churnkit.bundle.entity_ids import refuse_repeated
from churnkit.bundle.shap_reasons import Reason, reasons_for
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.bundle.contents import ModelContents
    from churnkit.bundle.format.manifest import Manifest
    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.contracts.encoding.table_encoder import TableEncoder
    from churnkit.models.calibration.venn_abers import VennAbers

__all__ = ["ScoredRow", "ScoredTable", "ScoringModel"]

# From this many rows on, one call for the matrix is faster than a call for each row.
_BULK_ROWS = 8


class ScoredRow(NamedTuple):
    """One customer, encoded and scored."""

    values: list[float]
    """(k,) encoded columns, features first."""
    probability: float
    """Churn probability."""
    interval: tuple[float, float] | None = None
    """Lower and upper end of the probability, if it was requested."""


class ScoredTable(NamedTuple):
    """A table of customers, encoded and scored."""

    encoded: Encoded
    """The n rows with their ids and broken rules."""
    probabilities: NDArray[np.float64]
    """(n,) churn probabilities; NaN for rows that break a rule."""


class ScoringModel:
    """A model that reads and scores customers.

    Parameters
    ----------
    contents
        Contract, scorer, calibration, and whatever else a bundle stores.
    manifest
        Of the bundle that the model was loaded from, if any.
    registered_version
        Version in the registry that the model was loaded from, if any.
    """

    def __init__(
        self,
        contents: ModelContents,
        manifest: Manifest | None = None,
        registered_version: str | None = None,
    ) -> None:
        self.contents = contents
        self.manifest = manifest
        self.registered_version = registered_version
        self._n_features = len(contents.contract.features)
        self._row_encoders: dict[tuple[Purpose, bool, bool], RowEncoder] = {}
        self._table_encoders: dict[Purpose, TableEncoder] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the compiled encoders, which hold local functions: a copy compiles its own.
        return type(self), (self.contents, self.manifest, self.registered_version)

    @property
    def name(self) -> str:
        """The registered name, or the contract's."""
        return self.manifest.name if self.manifest else self.contract.name

    @property
    def digest(self) -> str | None:
        """The bundle's digest, ``sha256:...``; None for a model that was never saved."""
        return self.manifest.digest if self.manifest else None

    @property
    def version(self) -> str | None:
        """The first 12 digits of the digest; None for a model that was never saved."""
        return self.digest.removeprefix("sha256:")[:12] if self.digest else None

    @property
    def contract(self) -> Contract:
        """The columns, types and rules of a table of customers."""
        return self.contents.contract

    @cached_property
    def base_probability(self) -> float:
        """Probability without any feature's contribution, where the points of reasons start.

        For each customer, it plus the points of all features (divided by 100) is the churn
        probability.
        """
        scorer = self.contents.scorer
        bias = scorer.contributions(np.full((1, self._n_features), np.nan))[0, -1]
        return float(self.contents.calibration.apply(np.array([bias]))[0])

    def encode(
        self, customers: Any, purpose: Purpose = "predict", *, closed: bool = False
    ) -> Encoded:
        """Read, check and encode customers.

        Parameters
        ----------
        customers
            A pandas, polars or pyarrow table, or a list of dicts; n rows.
        purpose
            ``"predict"`` or ``"recommend"``: the columns that must be present.
        closed
            Read a list of dicts as the HTTP endpoint does: no text in place of numbers, no
            columns that the contract does not know.

        Returns
        -------
        Encoded

        Raises
        ------
        DataError
            If a table lacks a column.
        """
        if isinstance(customers, Sequence) and all(isinstance(row, Mapping) for row in customers):
            encoder = self._row_encoder(purpose, lenient=not closed, closed=closed)
            return encoder.encode(customers)
        from churnkit.contracts.arrow_interop import as_arrow

        return self._table_encoder(purpose).encode(as_arrow(customers), name="the table")

    def score_row(
        self,
        row: Mapping[str, Any],
        purpose: Purpose = "predict",
        *,
        closed: bool = False,
        interval: bool = False,
    ) -> ScoredRow | None:
        """Score one customer without building arrays.

        Parameters
        ----------
        row
            The customer's columns; numbers as numbers.
        purpose
            ``"predict"`` or ``"recommend"``: the columns that must be present.
        closed
            Refuse columns that the contract does not know.
        interval
            Add the interval of the probability, as in `predict`.

        Returns
        -------
        ScoredRow or None
            None if the row breaks a rule or has an unknown category: `score_table` reports it.

        Raises
        ------
        RecipeError
            If `interval` and the model has no intervals.
        """
        values = self._row_encoder(purpose, lenient=False, closed=closed).encode_row(row)
        if values is None:
            return None
        contents = self.contents
        raw = contents.scorer.raw_score_row(values[: self._n_features])
        probability = contents.calibration.apply_one(raw)
        if not interval:
            return ScoredRow(values, probability)
        return ScoredRow(values, probability, self.intervals.interval_one(probability))

    def score_table(
        self,
        customers: Any,
        purpose: Purpose = "predict",
        *,
        closed: bool = False,
        unique: bool = False,
    ) -> ScoredTable:
        """Read and score a table of customers.

        Parameters
        ----------
        customers, purpose, closed
            As in `encode`.
        unique
            Refuse a customer with two rows.

        Returns
        -------
        ScoredTable

        Raises
        ------
        DataError
            If a column is missing, or `unique` and a customer has two rows.

        Examples
        --------
        >>> from churnkit.bundle import ModelContents, RetentionModel
        >>> from churnkit.contracts import Column, Contract
        >>> from churnkit.models import Calibration
        >>> from churnkit.models.scorers.additive import LinearScorer
        >>> visits = Column("visits", "integer", ("feature",))
        >>> contract = Contract("gym", (Column("id", "string", ("entity",)), visits))
        >>> scorer = LinearScorer.straight(bias=0.0, coefficients=[-0.5], low=[0], high=[9])
        >>> model = RetentionModel(ModelContents(contract, scorer, Calibration.identity()))
        >>> model.score_table([{"id": "a", "visits": 2}]).probabilities.round(4)
        array([0.2689])
        """
        encoded = self.encode(customers, purpose, closed=closed)
        if unique:
            refuse_repeated(encoded, self.contract.entity.name)
        return ScoredTable(encoded, self.probabilities(encoded))

    def predict_row(self, row: Mapping[str, Any]) -> float | None:
        """Return one customer's churn probability; None if the row is refused.

        The fastest way to score one customer. `predict` of the same row names the broken rules.
        """
        scored = self.score_row(row)
        return None if scored is None else scored.probability

    def probabilities(self, encoded: Encoded) -> NDArray[np.float64]:
        """Return the churn probabilities of encoded rows, (n,); NaN for rows that break a rule."""
        probabilities = np.full(len(encoded.matrix), np.nan)
        valid = encoded.valid
        rows = np.ascontiguousarray(encoded.features[valid])
        scorer, calibration = self.contents.scorer, self.contents.calibration
        if len(rows) < _BULK_ROWS:
            score, apply = scorer.raw_score_row, calibration.apply_one
            probabilities[valid] = [apply(score(row)) for row in rows.tolist()]
        else:
            probabilities[valid] = calibration.apply(scorer.raw_score(rows))
        return probabilities

    @property
    def intervals(self) -> VennAbers:
        """The intervals of churn probabilities.

        Raises
        ------
        RecipeError
            If the model has none.
        """
        if self.contents.intervals is None:
            raise RecipeError(
                f"model '{self.name}' has no intervals of probabilities: it was trained with an "
                "earlier version of churnkit; retrain it"
            )
        return self.contents.intervals

    def interval_columns(
        self, probabilities: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float64]]:
        """Return ``probability_low`` and ``probability_high``, (n,) each; NaN where unknown.

        Raises
        ------
        RecipeError
            If the model has no intervals.
        """
        low, high = self.intervals.interval(probabilities)
        return {"probability_low": low, "probability_high": high}

    def reasons(self, encoded: Encoded, *, top: int = 3) -> list[list[Reason]]:
        """Return the `top` reasons of each encoded row; none for rows that break a rule."""
        valid = np.flatnonzero(encoded.valid)
        rows = np.ascontiguousarray(encoded.features[valid])
        reasons: list[list[Reason]] = [[] for _ in range(len(encoded.matrix))]
        if len(rows):
            scorer, calibration = self.contents.scorer, self.contents.calibration
            explained = reasons_for(
                self.contract.features, rows, scorer.contributions(rows), calibration, top=top
            )
            for position, row in zip(valid.tolist(), explained, strict=True):
                reasons[position] = row
        return reasons

    def unusual_features(self, values: Sequence[float]) -> list[int]:
        """Return the positions of features that are missing or outside the training range."""
        # NaN is in no range, so that one comparison finds both.
        return [
            position
            for (position, low, high), value in zip(self._ranges, values, strict=False)
            if not low <= value <= high
        ]

    def to_sql(
        self,
        dialect: str = "duckdb",
        *,
        table: str = "customers",
        query: str | None = None,
        intervals: bool = False,
    ) -> str:
        """Write the model as one SQL statement, so that a database scores its own customers.

        It checks and encodes the columns as the contract says, adds the trees and the other
        members, and calibrates, with the operations of `predict` in the same order: on DuckDB the
        probabilities are equal to the last bit.

        Parameters
        ----------
        dialect
            ``"duckdb"``, ``"postgres"``, ``"snowflake"``, ``"bigquery"`` or ``"databricks"``.
        table
            Name of the table of customers, with a type per column that the first lines state.
        query
            A query that returns the customers, instead of `table`.
        intervals
            Add ``probability_low`` and ``probability_high``.

        Returns
        -------
        str
            A query with the id, ``churn_probability`` and ``problem``. A row that violates the
            contract has no probability, and ``problem`` names the rule.

        Raises
        ------
        RecipeError
            If the dialect is unknown, or something cannot be written as SQL exactly: a regular
            expression, customers without an id, trees deeper than databases accept.

        Examples
        --------
        >>> from churnkit.bundle import ModelContents, RetentionModel
        >>> from churnkit.contracts import Column, Contract
        >>> from churnkit.models import Calibration
        >>> from churnkit.models.scorers.additive import LinearScorer
        >>> visits = Column("visits", "integer", ("feature",))
        >>> contract = Contract("gym", (Column("id", "string", ("entity",)), visits))
        >>> scorer = LinearScorer.straight(bias=0.0, coefficients=[-0.5], low=[0], high=[9])
        >>> model = RetentionModel(ModelContents(contract, scorer, Calibration.identity()))
        >>> import duckdb
        >>> with duckdb.connect() as connection:
        ...     _ = connection.execute("CREATE TABLE gym AS SELECT 'a' AS id, 2 AS visits")
        ...     connection.execute(model.to_sql(table="gym")).fetchall()
        [('a', 0.2689414213699951, None)]
        """
        from churnkit.bundle.sql.statement import write_statement

        return write_statement(
            self.contents,
            dialect,
            title=f"'{self.name}'" + (f", version {self.version}" if self.version else ""),
            table=table,
            query=query,
            intervals=self.intervals if intervals else None,
        )

    def warm_up(self) -> None:
        """Load compiled kernels now, so that no later call waits for them.

        A service calls this before it reports ready. Without it, calls with few rows use numpy,
        with the same results to the last bit.
        """
        if hasattr(self.contents.scorer, "warm_up"):
            self.contents.scorer.warm_up()

    @cached_property
    def _ranges(self) -> list[tuple[int, float, float]]:
        ranges = self.contents.ranges
        if ranges is None:
            ranges = np.tile([-np.inf, np.inf], (self._n_features, 1))
        return [(position, low, high) for position, (low, high) in enumerate(ranges.tolist())]

    def _row_encoder(self, purpose: Purpose, *, lenient: bool, closed: bool) -> RowEncoder:
        encoder = self._row_encoders.get((purpose, lenient, closed))
        if encoder is None:
            encoder = RowEncoder(self.contract, purpose, lenient=lenient, closed=closed)
            self._row_encoders[purpose, lenient, closed] = encoder
        return encoder

    def _table_encoder(self, purpose: Purpose) -> TableEncoder:
        encoder = self._table_encoders.get(purpose)
        if encoder is None:
            from churnkit.contracts.encoding.table_encoder import TableEncoder

            encoder = self._table_encoders[purpose] = TableEncoder(self.contract, purpose)
        return encoder
