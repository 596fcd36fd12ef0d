"""Compiled trees: a LightGBM model that scores and explains on small integers."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.errors import MissingExtraError
from churnkit.trees.engines.numba_engine import NumbaEngine, has_numba
from churnkit.trees.engines.numpy_engine import NumpyEngine
from churnkit.trees.engines.threads import share_rows
from churnkit.trees.forest import Forest
from churnkit.trees.input_matrix import as_matrix
from churnkit.trees.layout.derived import Parts
from churnkit.trees.objective import find_transform
from churnkit.trees.parsing.lightgbm_text import parse_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import lightgbm
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["CompiledTrees", "compile_booster"]

# Fewer rows than these are not worth another thread.
# From so many rows on the kernels are worth loading.
_FEW_ROWS = 4_096
_SCORE_UNIT, _EXPLAIN_UNIT = 4096, 512


def compile_booster(booster: lightgbm.Booster | str, *, fast: bool | None = None) -> CompiledTrees:
    """Compile a LightGBM model.

    Parameters
    ----------
    booster
        A booster (its best iteration if it stopped early, as ``Booster.predict`` uses), or
        the text that ``model_to_string`` and ``save_model`` write. The text needs no lightgbm.
    fast
        Whether to score by kernels that numba compiles (extra ``fast``); by default if numba
        is installed. The results are the same bits. The first call in a process loads the
        kernels (under a second); the first on a machine compiles them (some seconds).

    Returns
    -------
    CompiledTrees
        The same model.

    Raises
    ------
    BundleError
        If the text is malformed, or the model has linear trees or an unknown objective.
    MissingExtraError
        If `fast` is true and numba is not installed.

    Examples
    --------
    >>> text = '''tree
    ... version=v4
    ... num_class=1
    ... num_tree_per_iteration=1
    ... label_index=0
    ... max_feature_idx=0
    ... objective=regression
    ... feature_names=tenure
    ... feature_infos=[0:10]
    ...
    ... Tree=0
    ... num_leaves=2
    ... num_cat=0
    ... split_feature=0
    ... threshold=3.5
    ... decision_type=2
    ... left_child=-1
    ... right_child=-2
    ... leaf_value=1.5 -0.5
    ... leaf_count=30 70
    ... internal_count=100
    ...
    ... end of trees
    ... '''
    >>> compile_booster(text).predict([[2.0], [5.0]])
    array([ 1.5, -0.5])
    """
    text = booster if isinstance(booster, str) else booster.model_to_string()
    return CompiledTrees(parse_text(text), fast=fast)


class CompiledTrees:
    """A LightGBM model as arrays: equal predictions bit for bit, and exact Shapley values.

    Make one with `compile_booster` or `from_arrays`. It never changes after that: threads may
    share it, and it may be made before a fork and used after.

    Parameters
    ----------
    forest
        The checked trees.
    fast
        Whether to score by compiled kernels; by default if numba is installed.
    """

    kind = "trees"

    def __init__(self, forest: Forest, *, fast: bool | None = None) -> None:
        if fast and not has_numba():
            raise MissingExtraError("fast", "numba")
        self._forest = forest
        self.n_features = forest.n_features
        """Number of columns of a row."""
        self.n_outputs = forest.n_outputs
        """Scores of one row: the number of classes of a multiclass model, else 1."""
        self.raw_score_row: Callable[[Sequence[float]], float] = self.predict_row
        """`predict_row` by the name that bundles use; the engine's own after `warm_up`."""
        self._transform = find_transform(forest.objective)
        self._parts = Parts(forest)
        self._fast = fast
        self._plain = NumpyEngine(self._parts)

    def __repr__(self) -> str:
        return (
            f"<CompiledTrees: {self.n_trees} trees, {self.n_features} features, "
            f"objective {self.objective or 'custom'!r}>"
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that a row must have, in order."""
        return self._forest.feature_names

    @property
    def n_trees(self) -> int:
        """Number of trees, over all outputs."""
        return self._forest.n_trees

    @property
    def objective(self) -> str:
        """The objective with its settings, as LightGBM writes it; empty if it was custom."""
        return self._forest.objective

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return what to save: settings (JSON values) and arrays (no objects among them)."""
        return self._forest.to_arrays()

    @classmethod
    def from_arrays(
        cls,
        settings: dict[str, Any],
        arrays: dict[str, npt.NDArray[Any]],
        *,
        fast: bool | None = None,
    ) -> Self:
        """Make trees of what `to_arrays` returned, trusting none of it.

        Parameters
        ----------
        settings, arrays
            What `to_arrays` returned.
        fast
            As for `compile_booster`.

        Raises
        ------
        BundleError
            If anything is missing, of another type or shape, or points outside its array.
        """
        return cls(Forest.from_arrays(settings, arrays), fast=fast)

    def predict(
        self,
        X: Any,
        *,
        raw_score: bool = False,
        threads: int = 1,
        start_tree: int = 0,
        end_tree: int | None = None,
    ) -> Floats:
        """Predict as ``Booster.predict`` does.

        Parameters
        ----------
        X
            Rows, shape (n, features): a numpy array of numbers in C or Fortran order, a
            pyarrow table or record batch, or a sequence of rows. Categories are their codes.
        raw_score
            Whether to leave out the objective's transformation, and averaging.
        threads
            How many threads share the rows; the result is the same for any number.
        start_tree, end_tree
            Use only these trees (half-open; whole boosting rounds of a multiclass model).

        Returns
        -------
        ndarray
            Shape (n,), or (n, classes) for a multiclass model.

        Raises
        ------
        ValueError
            If X has another number of columns, or a setting does not fit.
        """
        first, last = self._range(start_tree, end_tree)
        rows = as_matrix(X, self.n_features)
        scores = np.zeros((len(rows), self.n_outputs))
        engine = self._engine_for(len(rows))

        def work(start: int, stop: int) -> None:
            engine.score(rows[start:stop], first, last, scores[start:stop])

        share_rows(work, len(rows), threads, unit=_SCORE_UNIT)
        if not raw_score:
            if self._forest.average_output and last > first:
                scores /= (last - first) // self.n_outputs
            scores = self._transform(scores)
        return scores[:, 0] if self.n_outputs == 1 else scores

    def raw_score(self, X: Any, *, threads: int = 1) -> Floats:
        """Return ``predict(X, raw_score=True)``: scores before the objective's transformation."""
        return self.predict(X, raw_score=True, threads=threads)

    def predict_row(self, values: Sequence[float]) -> float:
        """Return the raw score of one row, given as plain numbers.

        Parameters
        ----------
        values
            One number for each feature; NaN where it is missing.

        Raises
        ------
        ValueError
            If the number of values is wrong, or the model has several outputs.
        """
        if self.n_outputs != 1:
            raise ValueError("predict_row scores models with one output: use predict.")
        return self._engine_for(1).score_row(values)

    def leaf_indices(self, X: Any) -> npt.NDArray[np.int32]:
        """Return the leaf that each row reaches in each tree, numbered as LightGBM does.

        Parameters
        ----------
        X
            Rows as `predict` takes them.

        Returns
        -------
        ndarray
            Shape (n, trees).
        """
        rows = as_matrix(X, self.n_features)
        found = np.empty((len(rows), self.n_trees), np.int32)
        self._plain.leaves(rows, found)
        return found

    def contributions(self, X: Any, *, threads: int = 1) -> Floats:
        """Return exact Shapley values, as ``Booster.predict(pred_contrib=True)`` defines them.

        Parameters
        ----------
        X
            Rows as `predict` takes them.
        threads
            How many threads share the rows; the result is the same for any number.

        Returns
        -------
        ndarray
            Shape (n, features + 1), the last column being the expected score over the
            training rows; each row sums to its raw score. For a multiclass model one such
            block a class, side by side.

        Raises
        ------
        BundleError
            If the model holds no counts of training rows, or reads one column in two ways.
        ValueError
            If X has another number of columns, or `threads` is not positive.
        """
        rows = as_matrix(X, self.n_features)
        width = self.n_features + 1
        found = np.zeros((len(rows), self.n_outputs * width))
        expected = self._parts.attribution.expected

        engine = self._engine_for(len(rows))

        def work(start: int, stop: int) -> None:
            engine.explain(rows[start:stop], found[start:stop])

        share_rows(work, len(rows), threads, unit=_EXPLAIN_UNIT)
        found[:, width - 1 :: width] += expected
        return found

    def warm_up(self) -> None:
        """Load the compiled kernels now, so that no later call has to wait for them.

        Until this, or a first call with many rows, few rows are scored by numpy alone: loading
        numba takes longer than thousands of rows take without it. The bits are the same.
        """
        if self.n_outputs == 1:
            self._engine.score_row([0.0] * self.n_features)
            self.raw_score_row = self._engine.score_row
        row = np.zeros((1, self.n_features))
        self._engine.score(row, 0, self.n_trees, np.zeros((1, self.n_outputs)))

    def _engine_for(self, rows: int) -> NumpyEngine | NumbaEngine:
        """Choose who works on so many rows."""
        if self._fast is None and rows < _FEW_ROWS and "_engine" not in self.__dict__:
            return self._plain
        return self._engine

    @cached_property
    def _engine(self) -> NumpyEngine | NumbaEngine:
        if self._fast is False or (self._fast is None and not has_numba()):
            return self._plain
        try:
            return NumbaEngine(self._parts)
        except ImportError as error:
            if self._fast:
                raise MissingExtraError("fast", "numba") from error
            # Some versions of numba refuse some of numpy; scoring need not stop for that.
            warnings.warn(
                f"numba is installed and does not load, so numpy alone scores: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
            return self._plain

    def _range(self, start_tree: int, end_tree: int | None) -> tuple[int, int]:
        end = self.n_trees if end_tree is None else end_tree
        fits = 0 <= start_tree <= end <= self.n_trees
        if not fits or start_tree % self.n_outputs or end % self.n_outputs:
            raise ValueError(
                f"start_tree and end_tree must lie within 0 and {self.n_trees}, in order, "
                f"and be multiples of {self.n_outputs}."
            )
        return start_tree, end
