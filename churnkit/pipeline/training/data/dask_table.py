"""A training table in files, which the workers of a Dask cluster read, check and encode.

Each task reads one file in batches, so that neither a worker nor this process holds the table. This
process holds a sample of the customers, on which candidates are compared and the model is tested.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.contracts.contract import Contract
from churnkit.contracts.encoding.category_levels import count_levels, select_levels
from churnkit.contracts.encoding.table_encoder import ColumnEncoder, TableEncoder
from churnkit.contracts.parsing.arrow_columns import (
    ParsedTable,
    complete_keys,
    normalize_dates,
)
from churnkit.contracts.validation.labels import hash_keys, parse_label, refuse_constant
from churnkit.contracts.validation.pandera_check import check_columns
from churnkit.contracts.validation.violations import Violation
from churnkit.core.io.formats.lakehouse import delta_files
from churnkit.core.io.locations import resolve_location
from churnkit.core.io.remote.object_parquet import ObjectParquet
from churnkit.core.io.source_files import BatchSource, PartitionFile, TableFiles
from churnkit.core.io.table_file import TableFile
from churnkit.core.io.table_sources import concatenate, open_source
from churnkit.errors import DataError, RecipeError
from churnkit.models.dask_client import map_on_workers
from churnkit.models.dask_rows import DaskRows
from churnkit.models.selection.presets import SELECTION_ROWS
from churnkit.models.training_rows import TrainingRows
from churnkit.pipeline.training.data.dask_weights import (
    CellTotals,
    RepeatCounts,
    RepeatWeights,
    repeat_counts,
)
from churnkit.pipeline.training.data.dataset import Part, customer_ids, prepare
from churnkit.pipeline.training.data.holdout_split import Split
from churnkit.pipeline.training.data.row_filters import describe_left_out, leave_out_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.core.io.source_files import Source
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.data.dataset import TrainingData

__all__ = ["open_for_workers", "prepare_on_workers"]

# The sample has at least this many rows of the rarer class, as far as the limit allows.
_MIN_RARE_ROWS, _MAX_SAMPLE_ROWS = 2_000, 1_000_000
_SAMPLE_SALT = "sample"
# This process compares at most about this many customers at a time, at 16 bytes each.
_MAX_HASHES = 2**25
# Each task gets the number of rows of so many customers who have several, at 16 bytes each.
_MAX_REPEATED = 10_000_000


def open_for_workers(recipe: Recipe, root: Path) -> TableFiles | None:
    """Open the table of a recipe if workers can read it: ``engine="dask"``, Parquet or Delta."""
    if callable(recipe.data) or getattr(recipe.model, "engine", "local") != "dask":
        return None
    entity = Contract.from_schema(recipe.schema).entity
    source: Any = open_source(resolve_location(recipe.data, root), entity=entity.name)
    if isinstance(source, BatchSource) and source.fingerprint[0][0] == "delta":
        source = delta_files(source.name, name=source.name)
    if isinstance(source, TableFiles) and all(map(_is_parquet, source.files)):
        return source
    return None


def _is_parquet(file: Source) -> bool:
    """Return True for a file that is read in place; other formats are copied to this machine."""
    stored = file.file if isinstance(file, PartitionFile) else file
    return isinstance(stored, ObjectParquet) or (
        isinstance(stored, TableFile) and stored.dialect is None
    )


def prepare_on_workers(recipe: Recipe, source: TableFiles) -> TrainingData:
    """Check a table on the workers, and prepare a sample of its customers.

    Raises
    ------
    DataError
        If the table violates its contract; the violations of the first such file are listed.
        Or if customers are repeated at a date, in whichever files.
    RecipeError
        If the recipe needs the whole table in one process.
    ChurnkitError
        As of `churnkit.pipeline.training.data.dataset.prepare`.
    """
    contract = Contract.from_schema(recipe.schema)
    _refuse_whole_table(recipe, contract, source)
    count = len(source.files)
    profiles = map_on_workers(
        _profile,
        source.files,
        contract,
        recipe.leave_out,
        recipe.split,
        what=f"checking {count} files",
    )
    total = _merge(recipe.name, contract, source, profiles)
    repeats = _count_repeats(recipe, contract, source, total.rows)
    share = _sample_rows(recipe, total) / total.rows
    tables = map_on_workers(
        _draw, source.files, contract, recipe.leave_out, share, what=f"sampling {count} files"
    )
    contract = select_levels(contract, total.levels)
    sample = concatenate([table for table in tables if table.num_columns])
    data = replace(
        prepare(recipe, sample, contract, missing=total.missing),
        folds=None,
        cross_tested=None,
        later_trains=(),
    )
    parts = [
        _FilePart(file, data.contract, recipe.leave_out, profile.rows)
        for file, profile in zip(source.files, profiles, strict=True)
    ]
    training = [
        replace(part, rows=profile.rows - profile.held_out, split=recipe.split)
        for part, profile in zip(parts, profiles, strict=True)
    ]
    if len(repeats.hashes) and contract.as_of is not None:
        weights = RepeatWeights(repeats, contract.as_of.name)
        parts, training = _weigh(source, contract, recipe, weights, (parts, training))
    return replace(
        data,
        digest=f"sha256:{total.digest}",
        left_out=describe_left_out(dict(total.left_out)),
        on_workers=(_rows(training, data.train), _rows(parts, data.full)),
    )


@dataclass
class _Profile:
    """What a file has: rows, classes, categories, missing values, violations, and a digest."""

    rows: int = 0
    churned: int = 0
    held_out: int = 0
    levels: dict[str, Counter[str]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    violations: tuple[Violation, ...] = ()
    digest: str = ""


def _profile(
    file: Source, contract: Contract, leave_out: tuple[Any, ...], split: Split
) -> _Profile:
    profile, digest = _Profile(), hashlib.sha256()
    violations: dict[tuple[str, str], Violation] = {}
    for table in _read(file, contract, leave_out, profile.left_out):
        parsed = ParsedTable(table)
        labels, unlabeled = parse_label(contract, parsed, name=file.name)
        for finding in (*check_columns(contract, parsed, "train"), *unlabeled):
            moved = replace(finding, positions=finding.positions + profile.rows).to_violation()
            key = finding.column, finding.rule
            earlier = violations.setdefault(key, moved)
            if earlier is not moved:
                violations[key] = replace(earlier, count=earlier.count + moved.count)
        for name, counts in count_levels(contract, parsed).items():
            profile.levels.setdefault(name, Counter()).update(counts)
        profile.missing |= _missing(contract, parsed)
        digest.update(_bytes(table))
        profile.rows += table.num_rows
        profile.churned += int(labels.sum())
        profile.held_out += int(split.is_test(customer_ids(table, contract.entity.name)).sum())
    return replace(profile, violations=tuple(violations.values()), digest=digest.hexdigest())


def _missing(contract: Contract, parsed: ParsedTable) -> set[str]:
    """Return the nullable numbers that some rows are missing, as the encoder reads them."""
    return {
        column.name
        for column in contract.features
        if column.nullable
        and not column.is_category
        and np.isnan(ColumnEncoder(column, encode=True).encode(parsed.column(column)).codes).any()
    }


def _merge(name: str, contract: Contract, source: TableFiles, profiles: list[_Profile]) -> _Profile:
    invalid = [number for number, profile in enumerate(profiles) if profile.violations]
    if invalid:
        file = source.files[invalid[0]].name
        others = f", and {len(invalid) - 1} other files have violations" if invalid[1:] else ""
        raise DataError(f"{name}, {file}{others}", profiles[invalid[0]].violations)
    total = _Profile()
    for profile in profiles:
        total.rows += profile.rows
        total.churned += profile.churned
        total.missing |= profile.missing
        total.left_out.update(profile.left_out)
        for column, counts in profile.levels.items():
            total.levels.setdefault(column, Counter()).update(counts)
    if not total.rows:
        raise DataError(name, [Violation("", "empty", 1)])
    refuse_constant(contract, total.rows, total.churned, name=name)
    joined = "".join(profile.digest for profile in profiles)
    total.digest = hashlib.sha256(joined.encode()).hexdigest()
    return total


def _count_repeats(
    recipe: Recipe, contract: Contract, source: TableFiles, rows: int
) -> RepeatCounts:
    """Count the rows of customers with several, and refuse several at a date.

    Hashes of 64 bits are compared, a range of them at a time. Among 50 million customers two
    different ones have one hash with a probability of 7e-5.
    """
    entity = contract.entity
    counted = list(_compare(recipe, contract, source, rows, [entity.name]))
    hashes, counts = (
        np.concatenate([getattr(each, name) for each in counted]) for name in ("hashes", "counts")
    )
    order = np.argsort(hashes)
    repeats = RepeatCounts(hashes[order], counts[order])
    repeated = int((counts - 1).sum())
    if repeated and contract.as_of is not None:
        # The same at a date, if files have one; else all have the same.
        dated = [entity.name, contract.as_of.name]
        if contract.as_of.name in source.columns:
            keys = _compare(recipe, contract, source, rows, dated)
            repeated = sum(int((each.counts - 1).sum()) for each in keys)
    if repeated:
        raise DataError(recipe.name, [Violation(entity.name, "unique", repeated, (), entity.type)])
    if len(hashes) > _MAX_REPEATED:
        raise RecipeError(
            f"recipe '{recipe.name}': column '{entity.name}' has {len(hashes):,} customers with "
            f"several dates, and their weights are computed for up to {_MAX_REPEATED:,}: train on a "
            'sample of the customers or on one date per customer, or with engine="local"'
        )
    return repeats


def _compare(
    recipe: Recipe, contract: Contract, source: TableFiles, rows: int, columns: list[str]
) -> Iterator[RepeatCounts]:
    """Count repeated keys, a range of their hashes at a time."""
    passes = -(-rows // _MAX_HASHES)
    for number in range(passes):
        yield repeat_counts(
            map_on_workers(
                _hash_keys,
                source.files,
                contract,
                recipe.leave_out,
                (number, passes),
                columns,
                what=f"comparing the customers of {len(source.files)} files",
            )
        )


def _weigh(
    source: TableFiles,
    contract: Contract,
    recipe: Recipe,
    weights: RepeatWeights,
    parts: tuple[list[_FilePart], list[_FilePart]],
) -> list[list[_FilePart]]:
    """Add weights of customers with several dates to the parts of all rows and of the training."""
    totals = map_on_workers(
        _sum_cells,
        source.files,
        contract,
        recipe.leave_out,
        recipe.split,
        weights,
        what=f"weighting the customers of {len(source.files)} files",
    )
    weighted = []
    for number, each in enumerate(parts):
        total = CellTotals()
        for of_file in totals:
            total.merge(of_file[number])
        scaled = replace(weights, factors=total.factors())
        weighted.append([replace(part, weights=scaled) for part in each])
    return weighted


def _sum_cells(
    file: Source,
    contract: Contract,
    leave_out: tuple[Any, ...],
    split: Split,
    weights: RepeatWeights,
) -> tuple[CellTotals, CellTotals]:
    """Sum the weights of a file by date and outcome: of all rows, and of training customers."""
    every, training = CellTotals(), CellTotals()
    for table in _read(file, contract, leave_out, Counter()):
        labels, _ = parse_label(contract, ParsedTable(table), name=file.name)
        cells = weights.cells(table, labels)
        counts = weights.counts.of(_hash_customers(contract, table))
        is_trained = ~split.is_test(customer_ids(table, contract.entity.name))
        every.add(cells, counts)
        training.add(cells[is_trained], counts[is_trained])
    return every, training


def _hash_customers(contract: Contract, table: pa.Table) -> NDArray[np.uint64]:
    return hash_keys(contract, table.select([contract.entity.name]))


def _hash_keys(
    file: Source,
    contract: Contract,
    leave_out: tuple[Any, ...],
    share: tuple[int, int],
    columns: list[str],
) -> NDArray[np.uint64]:
    """Hash the keys of a file, and return the hashes of one share: its number of how many.

    The keys are customers, or customers and dates if the columns have the date.
    """
    number, shares = share
    keys = list(columns)
    if contract.label is not None and leave_out:
        columns = [*columns, contract.label.name]
    selected = [np.empty(0, dtype=np.uint64)]
    for table in _read(file, contract, leave_out, Counter(), columns):
        hashes = hash_keys(contract, table.select(keys))
        selected.append(hashes[hashes % np.uint64(shares) == number])
    return np.concatenate(selected)


def _sample_rows(recipe: Recipe, total: _Profile) -> float:
    """Return the number of rows to draw: those that are compared, and the test's share."""
    model = recipe.model
    compared = getattr(model, "selection_rows", None) or SELECTION_ROWS.get(
        getattr(model, "profile", ""), max(SELECTION_ROWS.values())
    )
    rare = min(total.churned, total.rows - total.churned)
    needed = max(compared / (1 - recipe.split.test), _MIN_RARE_ROWS * total.rows / rare)
    return min(needed, _MAX_SAMPLE_ROWS, total.rows)


def _draw(file: Source, contract: Contract, leave_out: tuple[Any, ...], share: float) -> pa.Table:
    """Return the rows of a random share of the customers, the same in each file and run."""
    split = Split(test=share, salt=_SAMPLE_SALT) if share < 1 else None
    drawn = []
    for table in _read(file, contract, leave_out, Counter()):
        chosen = table
        if split is not None:
            is_drawn = split.is_test(customer_ids(table, contract.entity.name))
            chosen = table.filter(pa.array(is_drawn))
        drawn.append(chosen)
    return concatenate(drawn)


def _read(
    file: Source,
    contract: Contract,
    leave_out: tuple[Any, ...],
    left_out: Counter[str],
    columns: list[str] | None = None,
) -> Iterator[pa.Table]:
    for batch in file.batches(columns):
        table = batch if columns else complete_keys(batch, contract)
        if contract.as_of is not None:
            table = normalize_dates(table, contract.as_of)
        table, counts = leave_out_rows(contract, table, leave_out)
        left_out.update(counts)
        if table.num_rows:
            yield table
    # A worker whose memory looks used is paused by Dask.
    pa.default_memory_pool().release_unused()


def _bytes(table: pa.Table) -> bytes:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(stream.getvalue())


@dataclass(frozen=True)
class _FilePart:
    """The encoded rows of a file; without those that `split` holds out, if it is given."""

    file: Source
    contract: Contract
    leave_out: tuple[Any, ...]
    rows: int
    split: Split | None = None
    weights: RepeatWeights | None = None

    def read(self) -> Iterator[TrainingRows]:
        """Read and encode the rows in batches."""
        encoder = TableEncoder(self.contract)
        for table in _read(self.file, self.contract, self.leave_out, Counter()):
            parsed = ParsedTable(table)
            labels, _ = parse_label(self.contract, parsed, name=self.file.name)
            weight = None
            if self.weights is not None:
                customers = _hash_customers(self.contract, table)
                weight = self.weights.of(customers, self.weights.cells(table, labels))
            rows = TrainingRows.from_arrays(
                encoder.encode(parsed).features, labels.astype(np.float64), weight
            )
            if self.split is not None:
                ids = customer_ids(table, self.contract.entity.name)
                rows = rows.take(np.flatnonzero(~self.split.is_test(ids)))
            yield rows


def _rows(parts: list[_FilePart], sample: Part) -> DaskRows:
    rows = TrainingRows.from_arrays(sample.X, sample.y.astype(np.float64), sample.weight)
    return DaskRows(tuple(parts), rows)


def _refuse_whole_table(recipe: Recipe, contract: Contract, source: TableFiles) -> None:
    """Refuse what one file does not show."""
    local = 'or train with engine="local"'
    if contract.entity.numbered and contract.entity.name not in source.columns:
        raise RecipeError(
            f"recipe '{recipe.name}': rows without a customer id are numbered in the whole table: "
            f"write an id column, {local}"
        )
    if "repeated" in recipe.leave_out:
        raise RecipeError(
            f"recipe '{recipe.name}': leave_out='repeated' compares all rows: remove duplicates "
            f"from the files, {local}"
        )
