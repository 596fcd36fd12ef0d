"""Estimated processor time and memory of a model selection."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sklearn.base import clone

from churnkit.models.classifiers.catboost import border_count
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.classifiers.logistic import MANY_PAIRS, MANY_ROWS
from churnkit.models.classifiers.logistic_encoding import design_width, limit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.models.classifiers.base import BinaryModel
    from churnkit.models.folds import Fold
    from churnkit.models.training_rows import TrainingRows

__all__ = ["CostEstimate", "estimate_cost", "measure_pace"]

# Processor seconds, measured on servers of 2024 to 2026. Boosted trees: per round and row, per
# row and column of it, and per column and leaf of a tree; CatBoost's per threshold of a column too.
_PER_ROW, _PER_CELL, _PER_LEAF_COLUMN, _PER_LEAF_THRESHOLD = 6e-8, 1.2e-8, 3.5e-7, 1.25e-8
# Regression: per product of a Newton step, per row and coefficient, and per column of each fold.
_PER_PRODUCT, _PER_DESIGN_CELL, _PER_FOLD_COLUMN = 4.5e-11, 0.8e-8, 1e-3
# Forest of single rows: per tree, column, row and level. A third of it, since few tables need more
# than its first fold.
_PER_SORTED_CELL = 0.5e-8
# Share of the candidates' fits that is spent on all rows: the winner has some of them as members.
_MEMBERS = 0.5
# Processor seconds of reading, evaluation, model card and registration: of any table, and per cell.
_TRAINING_SECONDS, _TRAINING_CELL_SECONDS = 10.0, 2e-6
# Usual product of rounds and learning rate with 20,000 rows and trees of 16 leaves, its growth with
# fewer and more rows, and its decrease with the leaves.
_USUAL_PROGRESS, _MEDIUM_ROWS, _MEDIUM_LEAVES = 10.0, 20_000, 16
_GROWTH_OF_FEW, _GROWTH_OF_MANY, _DECREASE_OF_LEAVES = 0.3, 0.5, 0.4
# A pilot's time relative to its estimate counts within these limits.
_LEAST_PACE, _MOST_PACE = 0.2, 10.0
# Newton steps of a fit, and of a search of the strength from one fit to the next.
_STEPS_OF_FIT, _STEPS_OF_SEARCH = 6, 10
# Bytes of the process with its libraries, and per cell of the table: read, parsed and encoded.
_BYTES, _BYTES_PER_CELL = 700_000_000, 80


@dataclass(frozen=True)
class CostEstimate:
    """Estimated cost of comparing the candidates and fitting the winner.

    Attributes
    ----------
    rows, columns
        Size of the training table.
    selection_rows
        Number of rows on which the candidates are compared.
    cpu_seconds
        Processor time, within a factor of two for most tables with a pilot; without one, the number
        of trees is not known.
    memory_bytes
        At the peak, including the table.
    seconds_by_candidate
        Processor time of the comparison of each candidate.
    """

    rows: int
    columns: int
    selection_rows: int
    cpu_seconds: float
    memory_bytes: int
    seconds_by_candidate: tuple[float, ...] = ()

    def remaining(self, spent: Sequence[float]) -> float:
        """Estimate the rest of the comparison from the candidates so far, in processor seconds.

        Parameters
        ----------
        spent
            Processor time of the first candidates.

        Examples
        --------
        >>> estimate = CostEstimate(1_000, 30, 1_000, 40.0, 1, (10.0, 10.0, 20.0))
        >>> estimate.remaining([20.0])
        60.0
        """
        done = len(spent)
        expected = sum(self.seconds_by_candidate[:done])
        pace = sum(spent) / expected if expected else 1.0
        return pace * sum(self.seconds_by_candidate[done:])

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name."""
        return asdict(self)

    def __str__(self) -> str:
        """Format the estimate as a sentence.

        Examples
        --------
        >>> print(CostEstimate(1_000_000, 30, 50_000, 95.0, 900_000_000))
        1,000,000 rows of 30 columns, compared on 50,000: about 2 CPU-minutes, 0.9 GB
        """
        minutes = self.cpu_seconds / 60
        time = f"{minutes:.0f} CPU-minutes" if minutes >= 1.5 else f"{self.cpu_seconds:.0f} CPU-s"
        compared = (
            "" if self.selection_rows == self.rows else f", compared on {self.selection_rows:,}"
        )
        return (
            f"{self.rows:,} rows of {self.columns} columns{compared}: about {time}, "
            f"{self.memory_bytes / 1e9:.1f} GB"
        )


def estimate_cost(
    candidates: Sequence[tuple[str, BinaryModel]],
    *,
    rows: int,
    columns: int,
    selection_rows: int,
    folds: int,
    levels: Sequence[int] = (),
    missing: int = 0,
    later_fits: float = 0.0,
    later_comparisons: int = 0,
    pace: float = 1.0,
) -> CostEstimate:
    """Estimate the cost of comparing candidates and fitting the winner on all rows.

    Parameters
    ----------
    candidates
        As returned by `profile_candidates`.
    rows, columns
        Size of the training table.
    selection_rows
        Number of rows on which the candidates are compared.
    folds
        Number of folds.
    levels
        Number of levels of each categorical column.
    missing
        Number of numeric columns with missing values.
    later_fits
        Number of further fits of the winner to all rows, such as those of a test.
    later_comparisons
        Number of further comparisons, each with a fit of its winner.
    pace
        Time of boosted trees relative to that of a usual table, from `measure_pace`.

    Returns
    -------
    CostEstimate

    Examples
    --------
    >>> from churnkit.models.selection.presets import profile_candidates
    >>> few, many = (
    ...     estimate_cost(
    ...         profile_candidates("fast", rows=rows, seed=0),
    ...         rows=rows,
    ...         columns=20,
    ...         selection_rows=rows,
    ...         folds=5,
    ...     )
    ...     for rows in (1_000, 50_000)
    ... )
    >>> few.cpu_seconds < many.cpu_seconds
    True
    """
    sampled = min(rows, selection_rows)
    table = _Table(rows, sampled, folds, columns, tuple(levels), missing, pace)
    seconds, fits, design = [], 0.0, 0
    for _, candidate in candidates:
        compared, fitted = _seconds(candidate.get_params(), table)
        seconds.append(compared)
        fits += fitted
        design = max(design, _design_bytes(candidate.get_params(), table))
    fits *= _MEMBERS
    total = (1 + later_comparisons) * (sum(seconds) + fits) + later_fits * fits
    # The table; LightGBM's byte per cell, for all rows and each fold; the regression's design.
    memory = _BYTES + _BYTES_PER_CELL * rows * columns + sampled * columns * (folds + 9) + design
    if later_fits:
        total += _TRAINING_SECONDS + _TRAINING_CELL_SECONDS * rows * columns
    return CostEstimate(rows, columns, sampled, total, memory, tuple(seconds))


def measure_pace(
    candidates: Sequence[tuple[str, BinaryModel]], rows: TrainingRows, folds: Sequence[Fold]
) -> float:
    """Fit the first LightGBM candidate on one fold, and compare its time with the estimate.

    The number of trees that a table needs is the largest unknown of the cost: a tenth or ten times
    the usual number. The pilot takes one or two percent of the comparison.

    Parameters
    ----------
    candidates
        Candidates of the comparison.
    rows
        Rows on which they are compared.
    folds
        Row numbers for training and for holding out.

    Returns
    -------
    float
        The ratio, 1 if no LightGBM candidate stops early.
    """
    for _, candidate in candidates:
        if isinstance(candidate, LightGBMTrees) and candidate.rounds is None:
            break
    else:
        return 1.0
    import lightgbm  # noqa: F401 - its import is not timed

    fold = folds[-1]  # the largest, if folds go forward in time
    count, columns = rows.matrix.shape
    table = _Table(count, count, len(folds), columns, (), 0, 1.0)
    cost = _boosting_cost(candidate.get_params(), table)
    expected = (cost.rounds + cost.patience) * (len(fold.train) * cost.row + cost.tree)
    started = time.process_time()  # for a message only
    clone(candidate).cross_fit(rows, [fold])
    return min(max((time.process_time() - started) / expected, _LEAST_PACE), _MOST_PACE)


class _Table(NamedTuple):
    rows: int
    sampled: int
    folds: int
    columns: int
    levels: tuple[int, ...]
    missing: int
    pace: float


def _seconds(settings: dict[str, Any], table: _Table) -> tuple[float, float]:
    """Estimate the comparison of a candidate on the sample, and its fit to all rows."""
    if "n_trees" in settings:
        cell = (
            _PER_SORTED_CELL
            * settings["n_trees"]
            * (settings["max_features"] or table.columns**-0.5)
        )
        cell *= table.columns * math.log2(table.rows + 2)
        return cell * table.sampled * (table.folds - 1), cell * table.rows
    if "learning_rate" in settings:
        return _boosting_seconds(settings, table)
    return _regression_seconds(settings, table)


def _regression_seconds(settings: dict[str, Any], table: _Table) -> tuple[float, float]:
    def fit(rows: float) -> tuple[float, bool]:
        """Return the seconds of a Newton step, and whether one fold chooses the strength."""
        width, used = _design(settings, table, rows)
        products = used * width * min(used, width)
        step = _PER_PRODUCT * products + _PER_DESIGN_CELL * used * width
        return step, table.sampled > MANY_ROWS or used * width**2 > MANY_PAIRS

    step, is_slow = fit(table.sampled * (table.folds - 1) / table.folds)
    searched = 1 if is_slow else table.folds
    steps = table.folds * _STEPS_OF_FIT + searched * _STEPS_OF_SEARCH
    compared = steps * step + table.folds * table.columns * _PER_FOLD_COLUMN
    return compared, _STEPS_OF_FIT * fit(table.rows)[0]


def _design(settings: dict[str, Any], table: _Table, rows: float) -> tuple[int, float]:
    """Return the number of coefficients of the regression, and of rows that it is fitted on."""
    threshold = settings.get("target_encoding_threshold") or math.inf
    native = [count for count in table.levels if count <= threshold]
    width = design_width(
        settings.get("n_knots", 0),
        rows=int(rows),
        # The rate and the frequency of an encoded category are numbers.
        numbers=table.columns + len(table.levels) - 2 * len(native),
        missing=table.missing,
        levels=native,
    )
    return width, min(rows, settings.get("max_rows", rows), limit_rows(width))


def _design_bytes(settings: dict[str, Any], table: _Table) -> int:
    """Return the bytes of the regression's designs: of one fold, or of all if steps are quick."""
    if "n_knots" not in settings:
        return 0
    width, rows = _design(settings, table, table.sampled * (table.folds - 1) / table.folds)
    is_slow = table.sampled > MANY_ROWS or rows * width**2 > MANY_PAIRS
    return int(8 * width * (rows * (1 if is_slow else table.folds) + 3 * min(rows, width)))


class _BoostingCost(NamedTuple):
    """Expected rounds and further ones of early stopping; seconds of each, by row and of a tree."""

    rounds: float
    patience: int
    row: float
    tree: float


def _boosting_seconds(settings: dict[str, Any], table: _Table) -> tuple[float, float]:
    cost = _boosting_cost(settings, table)
    held_in = table.sampled * (table.folds - 1)
    compared = (cost.rounds + cost.patience) * (held_in * cost.row + table.folds * cost.tree)
    fitted = cost.rounds * (table.rows * cost.row + cost.tree)
    return float(table.pace * compared), float(table.pace * fitted)


def _boosting_cost(settings: dict[str, Any], table: _Table) -> _BoostingCost:
    leaves = 2 ** settings["depth"] if "depth" in settings else settings["num_leaves"]
    growth = _GROWTH_OF_FEW if table.sampled <= _MEDIUM_ROWS else _GROWTH_OF_MANY
    progress = _USUAL_PROGRESS * (table.sampled / _MEDIUM_ROWS) ** growth
    progress *= (_MEDIUM_LEAVES / leaves) ** _DECREASE_OF_LEAVES
    rounds = settings.get("rounds") or min(
        settings["max_rounds"], progress / settings["learning_rate"]
    )
    patience = 0 if settings.get("rounds") else settings["patience"]
    used = table.columns * settings.get("feature_fraction", 1.0)
    row = _PER_ROW + used * _PER_CELL
    tree = used * settings.get("num_leaves", 0) * _PER_LEAF_COLUMN
    if "depth" in settings:  # CatBoost weighs each threshold for all leaves of a level
        thresholds = border_count(table.sampled, table.columns) * leaves
        tree = used * thresholds * _PER_LEAF_THRESHOLD
    return _BoostingCost(rounds, patience, row, tree)
