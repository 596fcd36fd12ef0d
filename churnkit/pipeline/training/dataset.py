"""A training table: read, checked, split and encoded by its contract."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.contract import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.contracts.validation.labels import encode_label
from churnkit.contracts.validation.pandera_check import check_table
from churnkit.contracts.validation.violations import to_violations
from churnkit.core.io.table_file import read_table
from churnkit.core.user_code_errors import failure
from churnkit.errors import ChurnkitError, DataError, RecipeError
from churnkit.pipeline.checks.leakage import refuse_leaking_features
from churnkit.pipeline.training.row_filters import leave_out_rows, say_left_out
from churnkit.timeline import build, repeat_weights
from churnkit.timeline.data_coverage import first_timestamps, longest_windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.pipeline.recipe import Recipe
    from churnkit.timeline import Timeline

__all__ = ["Part", "TrainingData", "prepare", "read_training_table", "synthetic_rows"]


@dataclass(frozen=True)
class Part:
    """The training or the test customers.

    Parameters
    ----------
    table
        Their rows as they were read.
    X
        Encoded features, (n, f).
    y
        1 for customers who left, (n,).
    customers
        Who each row is about, where a customer may have several: by a timeline, (n,).
    weight
        What each row counts then, (n,).
    """

    table: pa.Table
    X: NDArray[np.float64]
    y: NDArray[np.int8]
    customers: NDArray[np.str_] | None = None
    weight: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class TrainingData:
    """What a recipe's model is fitted to and tested on.

    Parameters
    ----------
    contract
        With the categories of the training customers.
    train, test
        The customers, parted by the recipe's split.
    digest
        SHA-256 over the contract's columns of the whole table as Arrow, ``sha256:...``.
    waived
        What the leakage guard found and the recipe waives, a sentence each.
    left_out
        How many rows were left out and why, a sentence each.
    """

    contract: Contract
    train: Part
    test: Part
    digest: str
    waived: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def read_training_table(recipe: Recipe, root: Path) -> pa.Table:
    """Read a recipe's table.

    Parameters
    ----------
    recipe
        Its `data` is a file, named from the project's folder, or a function; with a timeline
        a function that returns the raw tables by name.
    root
        The project's folder.

    Raises
    ------
    RecipeError
        If the function fails; the message says where, not with what value.
    ChurnkitError
        If the file is missing or cannot be read.
    """
    if callable(recipe.data):
        try:
            table = recipe.data()
        except ChurnkitError:
            raise
        except Exception as error:
            # Its own words may quote a customer's row.
            raise RecipeError(
                f"recipe '{recipe.name}': its data cannot be read: {failure(error, file=recipe.path)}"
            ) from error
        if recipe.timeline is not None:
            return _snapshots(recipe, table)
        return as_arrow(table, name=recipe.name)
    path = Path(recipe.data)
    return read_table(path if path.is_absolute() else root / path)


def _snapshots(recipe: Recipe, tables: Any) -> pa.Table:
    """Build the recipe's snapshots, without the rows whose outcome nobody can tell."""
    if not isinstance(tables, Mapping):
        raise RecipeError(
            f"recipe '{recipe.name}': with a timeline, its data is a function that returns the "
            "raw tables by name"
        )
    timeline = cast("Timeline", recipe.timeline)
    if timeline.label is None:
        raise RecipeError(f"recipe '{recipe.name}': its timeline has no label to learn")
    recipe.needs.refuse_short_history(
        timeline, first_timestamps(timeline, tables), longest_windows(timeline)
    )
    built = build(timeline, tables)
    return built.filter(pc.is_valid(built[timeline.label_name]))


def prepare(recipe: Recipe, table: pa.Table) -> TrainingData:
    """Check, split and encode a training table.

    Raises
    ------
    ContractError
        If the schema cannot be compiled.
    DataError
        If the table breaks its contract; every broken rule is listed.
    LeakageError
        If a feature tells what only the future can know, and the recipe does not waive it.
    PreconditionError
        If too few customers left or stayed to learn from or to test on, or the last date's
        outcomes are not known yet.
    """
    contract = Contract.from_schema(recipe.schema)
    table, left_out = leave_out_rows(contract, table, recipe.leave_out)
    parsed = ParsedTable(table)
    findings = check_table(contract, parsed, "train", name=recipe.name)
    if findings:
        raise DataError(recipe.name, to_violations(findings))
    labels, _ = encode_label(contract, parsed)
    # By their text, so that 17 from Parquet and "17" from CSV are one customer.
    ids = table[contract.entity.name].to_pylist()
    customers = [(to_text(customer) or "").strip(BLANKS) for customer in ids]
    learned, tested = _sides(recipe, table, recipe.split.is_test(customers), labels)
    recipe.needs.refuse_few(recipe.name, labels, learned, tested)
    if contract.as_of is not None:
        dates = table[contract.as_of.name].to_pylist()
        recipe.needs.refuse_immature(recipe.name, contract.as_of.name, dates, labels)
    known = learn_levels(contract, parsed.filter(learned))
    encoder = TableEncoder(known)

    def part(rows: NDArray[np.bool_]) -> Part:
        chosen = parsed.filter(rows)
        one = Part(chosen.table, encoder.encode(chosen).features, labels[rows])
        return one if recipe.timeline is None else _repeated(one, np.array(customers)[rows], recipe)

    train, test = part(learned), _as_population(part(tested), recipe)
    waived = refuse_leaking_features(
        known,
        [name for name, row in zip(customers, learned, strict=True) if row],
        train.X,
        train.y,
        waive=recipe.waive,
    )
    digest = _digest(contract, table)
    return TrainingData(known, train, test, digest, waived, say_left_out(left_out))


def _sides(
    recipe: Recipe, table: pa.Table, held_out: NDArray[np.bool_], left: NDArray[np.int8]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Part the rows: by customer, and with a timeline forward in time as well."""
    timeline = recipe.timeline
    if timeline is None or timeline.label is None:
        return ~held_out, held_out
    return recipe.split.sides(
        held_out,
        _dates(table, timeline),
        left=left,
        known_after_days=timeline.label.mature_days,
    )


def _dates(table: pa.Table, timeline: Timeline) -> NDArray[np.datetime64]:
    dates: NDArray[np.datetime64] = np.asarray(table[timeline.as_of].cast(pa.timestamp("us")))
    return dates


def _repeated(part: Part, customers: NDArray[np.str_], recipe: Recipe) -> Part:
    """Weigh the rows of customers that several dates show; leavers have fewer, at each date."""
    dates = _dates(part.table, cast("Timeline", recipe.timeline))
    cells = [f"{date} {left}" for date, left in zip(dates, part.y, strict=True)]
    return replace(part, customers=customers, weight=repeat_weights(customers, within=cells))


def _as_population(test: Part, recipe: Recipe) -> Part:
    """Weigh test rows so that churners have the population's share, if the recipe knows it."""
    if recipe.population_rate is None:
        return test
    from churnkit.models.calibration.prior_correction import population_weights

    weight = population_weights(recipe.population_rate, test.y)
    return replace(test, weight=weight if test.weight is None else weight * test.weight)


def _digest(contract: Contract, table: pa.Table) -> str:
    """Digest the columns that training reads, in the contract's order."""
    total = hashlib.sha256()
    for column in contract.required("train"):
        array = table[column.name].combine_chunks()
        stream = pa.BufferOutputStream()
        batch = pa.table({column.name: array})
        with pa.ipc.new_stream(stream, batch.schema) as writer:
            writer.write_table(batch)
        total.update(stream.getvalue())
    return f"sha256:{total.hexdigest()}"


def synthetic_rows(
    X: NDArray[np.float64],
    *,
    rows: int,
    seed: int,
    categorical: Sequence[int] = (),
) -> NDArray[np.float64]:
    """Make encoded rows (g, f) that are no customer's but look like customers.

    Each category is drawn on its own; each number is the mean of two customers' numbers.
    What happens to equal a customer's row is left out, so g may be less than `rows`.

    Parameters
    ----------
    X
        Encoded customers, (n, f).
    rows
        How many to draw.
    seed
        The same seed gives the same rows.
    categorical
        Which columns hold category codes.

    Examples
    --------
    >>> X = np.array([[0.0, 10.0], [1.0, 30.0]])
    >>> made = synthetic_rows(X, rows=8, seed=0, categorical=[0])
    >>> {tuple(row) for row in made.tolist()} & {tuple(row) for row in X.tolist()}
    set()
    """
    generator = np.random.default_rng(seed)
    first, second = generator.integers(0, len(X), size=(2, rows, X.shape[1]))
    made = np.take_along_axis(X, first, axis=0)
    numbers = np.setdiff1d(np.arange(X.shape[1]), np.asarray(categorical, dtype=np.intp))
    others = np.take_along_axis(X, second, axis=0)
    made[:, numbers] = (made[:, numbers] + others[:, numbers]) / 2.0
    known = {row.tobytes() for row in np.ascontiguousarray(X)}
    return np.ascontiguousarray(made[[row.tobytes() not in known for row in made]])
