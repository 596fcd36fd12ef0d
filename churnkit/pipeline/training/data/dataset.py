"""Read, validate, split and encode a training table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.contract import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.parsing.arrow_columns import ParsedTable, complete_keys, normalize_dates
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.contracts.validation.labels import encode_label
from churnkit.contracts.validation.pandera_check import check_table
from churnkit.contracts.validation.violations import to_violations
from churnkit.core.io.locations import resolve_location
from churnkit.core.io.table_sources import read_table
from churnkit.core.user_code_errors import format_exception
from churnkit.errors import ChurnkitError, DataError, RecipeError
from churnkit.evaluation.classification.repeated_rows import count_rarer
from churnkit.pipeline.checks.leakage import refuse_leaking_features
from churnkit.pipeline.training.data.holdout_folds import split_rows
from churnkit.pipeline.training.data.row_filters import describe_left_out, leave_out_rows
from churnkit.timeline import build, repeat_weights
from churnkit.timeline.data_coverage import first_timestamps, longest_windows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.models.dask_rows import DaskRows
    from churnkit.pipeline.recipe import Recipe
    from churnkit.timeline import Timeline

__all__ = [
    "Part",
    "TrainingData",
    "customer_ids",
    "prepare",
    "read_training_table",
    "synthetic_rows",
]


@dataclass(frozen=True)
class Part:
    """Rows of training customers, of test customers, or of all.

    Parameters
    ----------
    table
        Rows as read.
    X
        Encoded features, shape (n, f).
    y
        1 for customers who churned, shape (n,).
    customers
        The customer of each row if customers have several, shape (n,).
    weight
        Weight of each row, shape (n,); None for equal weights.
    """

    table: pa.Table
    X: NDArray[np.float64]
    y: NDArray[np.int8]
    customers: NDArray[np.str_] | None = None
    weight: NDArray[np.float64] | None = None

    @property
    def customer_count(self) -> int:
        """Number of distinct customers."""
        return len(self.y) if self.customers is None else len(np.unique(self.customers))

    @property
    def rarer_count(self) -> int:
        """Number of distinct customers who churned, or who stayed, whichever is smaller."""
        return count_rarer(self.y, self.customers)


@dataclass(frozen=True)
class TrainingData:
    """Validated, split and encoded training table of a recipe.

    Parameters
    ----------
    contract
        Contract with the categories of all customers.
    train, test
        Customers on either side of the recipe's split.
    full
        All rows, for the model that is registered; includes rows that are on neither side.
    digest
        SHA-256 over the contract's columns of the whole table as Arrow, ``sha256:...``.
    waived
        Waived findings of the leakage guard, one sentence each.
    left_out
        Numbers of rows left out, one sentence per reason.
    folds
        Number of the test fold of each row of `tested`, where 0 is `test`; None if only `test` is
        held out.
    cross_tested
        Tested rows of all folds, with the weights of a test; None if only `test` is held out.
    later_trains
        Training rows of the folds after the first, if each selects its settings on its own rows;
        else the settings are selected once on `full`.
    on_workers
        The rows of the training customers and of all, which the workers of a cluster read; the
        other parts are then a sample. None if this process holds the table.
    """

    contract: Contract
    train: Part
    test: Part
    full: Part
    digest: str
    waived: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    folds: NDArray[np.intp] | None = None
    cross_tested: Part | None = None
    later_trains: tuple[Part, ...] = ()
    on_workers: tuple[DaskRows, DaskRows] | None = None

    @property
    def tested(self) -> Part:
        """Rows of the verdict: of all folds, each scored by a model without it, or `test`."""
        return self.test if self.cross_tested is None else self.cross_tested

    @property
    def row_counts(self) -> dict[str, int]:
        """Number of rows of the tested model, of its test and of the registered model."""
        train, full = len(self.train.y), len(self.full.y)
        if self.on_workers is not None:
            train, full = (rows.rows for rows in self.on_workers)
        return {"train_rows": train, "test_rows": len(self.tested.y), "registered_rows": full}


def customer_ids(table: pa.Table, entity: str) -> list[str]:
    """Return the trimmed text of ids, so that 17 from Parquet equals "17" from CSV."""
    return [(to_text(value) or "").strip(BLANKS) for value in table[entity].to_pylist()]


def read_training_table(recipe: Recipe, root: Path) -> pa.Table:
    """Read a recipe's training table, or build it with the recipe's timeline.

    Raises
    ------
    RecipeError
        If the function fails; the message holds the location of the error and no data.
    ChurnkitError
        If the file is missing or cannot be read.
    """
    if not callable(recipe.data):
        entity = Contract.from_schema(recipe.schema).entity
        return read_table(resolve_location(recipe.data, root), entity=entity.name)
    try:
        table = recipe.data()
    except ChurnkitError:
        raise
    except Exception as error:
        # The text of the error may quote a customer's row.
        raise RecipeError(
            f"recipe '{recipe.name}': its data cannot be read: {format_exception(error, file=recipe.path)}"
        ) from error
    if recipe.timeline is None:
        return as_arrow(table, name=recipe.name)
    return _build_snapshots(recipe, recipe.timeline, table)


def _build_snapshots(recipe: Recipe, timeline: Timeline, tables: Any) -> pa.Table:
    """Build snapshots, without the rows whose outcome is unknown."""
    if not isinstance(tables, Mapping):
        raise RecipeError(
            f"recipe '{recipe.name}': with a timeline, data must be a function that returns the "
            f"raw tables by name, got a {type(tables).__name__}"
        )
    if timeline.label is None:
        raise RecipeError(f"recipe '{recipe.name}': its timeline has no label")
    recipe.needs.refuse_short_history(
        timeline, first_timestamps(timeline, tables), longest_windows(timeline)
    )
    snapshots = build(timeline, tables)
    return snapshots.filter(pc.is_valid(snapshots[timeline.label_name]))


def prepare(
    recipe: Recipe,
    table: pa.Table,
    contract: Contract | None = None,
    *,
    missing: Collection[str] = (),
) -> TrainingData:
    """Validate, split and encode a training table.

    Parameters
    ----------
    recipe
        The recipe.
    table
        Its table, or a sample of it.
    contract
        With the categories of the whole table; by default they are learned from `table`.
    missing
        Features that some rows of the whole table are missing, if `table` is a sample.

    Raises
    ------
    ContractError
        If the schema cannot be compiled.
    DataError
        If the table violates its contract; all violations are listed.
    LeakageError
        If a feature leaks the outcome, and the recipe does not waive it.
    PreconditionError
        If too few customers churned or stayed, or the last date's outcomes are immature.
    """
    contract = contract or Contract.from_schema(recipe.schema)
    table = complete_keys(table, contract)
    if contract.as_of is not None:
        table = normalize_dates(table, contract.as_of)
    table, left_out = leave_out_rows(contract, table, recipe.leave_out)
    parsed = ParsedTable(table)
    findings = check_table(contract, parsed, "train", name=recipe.name)
    if findings:
        raise DataError(recipe.name, to_violations(findings))
    labels, _ = encode_label(contract, parsed)
    ids = customer_ids(table, contract.entity.name)
    customers = np.array(ids)
    rows = split_rows(recipe, contract, table, ids, labels)
    is_repeated = recipe.timeline is not None or len(set(ids)) < len(ids)
    repeated = customers if is_repeated else None
    # Survival and causes are tested on the first fold alone.
    is_first = rows.folds is None or recipe.lifetime is not None or contract.cause is not None
    is_tested = rows.test if is_first else rows.is_tested
    recipe.needs.refuse_few(recipe.name, labels, rows.train, is_tested, repeated)
    if contract.as_of is not None:
        dates = table[contract.as_of.name].to_pylist()
        recipe.needs.refuse_immature(recipe.name, contract.as_of.name, dates, labels)
    # Categories and fills do not depend on labels, so the test customers' may be learned.
    contract = learn_levels(contract, parsed)
    features = TableEncoder(contract).encode(parsed).features
    contract = _learn_fills(contract, features, missing)
    dates = _repeat_dates(recipe, contract, customers)

    def part(rows: NDArray[np.bool_]) -> Part:
        selected = Part(table.filter(pa.array(rows)), features[rows], labels[rows])
        return _weight_repeats(selected, customers[rows], dates)

    train, test = part(rows.train), _weight_to_population(part(rows.test), recipe)
    full = _weight_repeats(Part(table, features, labels), customers, dates)
    waived = refuse_leaking_features(
        contract, customers[rows.train].tolist(), train.X, train.y, waive=recipe.waive
    )
    return TrainingData(
        contract,
        train,
        test,
        full,
        _digest(contract, table),
        waived,
        describe_left_out(left_out),
        None if rows.folds is None else rows.folds[rows.is_tested],
        None if rows.folds is None else _weight_to_population(part(rows.is_tested), recipe),
        tuple(part(learned) for learned in rows.later_folds()),
    )


def _learn_fills(
    contract: Contract, features: NDArray[np.float64], missing: Collection[str]
) -> Contract:
    """Learn a typical value of each nullable number that no row is missing.

    Trees send missing values to one side of each split by what they learned from missing values,
    and to the side of zero if there were none. The median is rounded: it belongs to a customer.
    """
    fills = {
        column.name: _typical(features[:, index])
        for index, column in enumerate(contract.features)
        if column.nullable
        and not column.is_category
        and column.name not in missing
        and not np.isnan(features[:, index]).any()
    }
    columns = (replace(c, fill=fills[c.name]) if c.name in fills else c for c in contract.columns)
    return replace(contract, columns=tuple(columns)) if fills else contract


def _typical(numbers: NDArray[np.float64]) -> float:
    """Return the median with three significant digits."""
    return float(f"{np.percentile(numbers, 50, method='lower'):.3g}")


def _repeat_dates(recipe: Recipe, contract: Contract, customers: NDArray[np.str_]) -> str | None:
    """Return the column of the dates if customers have several rows, else None."""
    if recipe.timeline is not None:
        return recipe.timeline.as_of
    repeated = contract.as_of is not None and len(np.unique(customers)) < len(customers)
    return contract.as_of.name if contract.as_of is not None and repeated else None


def _weight_repeats(part: Part, customers: NDArray[np.str_], dates: str | None) -> Part:
    """Weight rows of customers with several dates, within each date and outcome."""
    if dates is None:
        return part
    cells = [
        f"{date} {left}" for date, left in zip(part.table[dates].to_pylist(), part.y, strict=True)
    ]
    return replace(part, customers=customers, weight=repeat_weights(customers, within=cells))


def _weight_to_population(test: Part, recipe: Recipe) -> Part:
    """Weight test rows to the population's churn rate, if the recipe has one."""
    if recipe.population_rate is None:
        return test
    from churnkit.models.calibration.prior_correction import population_weights

    weight = population_weights(recipe.population_rate, test.y)
    return replace(test, weight=weight if test.weight is None else weight * test.weight)


def _digest(contract: Contract, table: pa.Table) -> str:
    """Digest the columns that training reads, in the contract's order."""
    total = hashlib.sha256()
    dated = contract.as_of is not None and contract.as_of.has_default
    optional = (contract.cause, contract.as_of if dated else None)
    read = (*contract.required("train"), *(column for column in optional if column is not None))
    for column in read:
        if column.name not in table.column_names:
            continue
        array = table[column.name].combine_chunks()
        stream = pa.BufferOutputStream()
        batch = pa.table({column.name: array})
        with pa.ipc.new_stream(stream, batch.schema) as writer:
            writer.write_table(batch)
        total.update(stream.getvalue())
    return f"sha256:{total.hexdigest()}"


def synthetic_rows(
    X: NDArray[np.float64], *, rows: int, seed: int, categorical: Sequence[int] = ()
) -> NDArray[np.float64]:
    """Draw encoded rows that resemble customers and equal none of them.

    Each category is drawn on its own; each number is the mean of two customers' numbers. Rows
    that equal a customer's row are dropped.

    Parameters
    ----------
    X
        Encoded customers, shape (n, f).
    rows
        Number of rows to draw.
    seed
        Seed of the draws.
    categorical
        Indices of the columns with category codes.

    Returns
    -------
    numpy.ndarray
        Rows, shape (g, f), with g at most `rows`.

    Examples
    --------
    >>> X = np.array([[0.0, 10.0], [1.0, 30.0]])
    >>> drawn = synthetic_rows(X, rows=8, seed=0, categorical=[0])
    >>> {tuple(row) for row in drawn.tolist()} & {tuple(row) for row in X.tolist()}
    set()
    """
    generator = np.random.default_rng(seed)
    first, second = generator.integers(0, len(X), size=(2, rows, X.shape[1]))
    drawn = np.take_along_axis(X, first, axis=0)
    numeric = np.setdiff1d(np.arange(X.shape[1]), np.asarray(categorical, dtype=np.intp))
    others = np.take_along_axis(X, second, axis=0)
    drawn[:, numeric] = (drawn[:, numeric] + others[:, numeric]) / 2.0
    customers = {row.tobytes() for row in np.ascontiguousarray(X)}
    return np.ascontiguousarray(drawn[[row.tobytes() not in customers for row in drawn]])
