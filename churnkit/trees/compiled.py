"""Compiled trees: a LightGBM model evaluated on small integer codes."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.errors import MissingExtraError
from churnkit.trees.engines.numba_engine import NumbaEngine, are_kernels_loaded, has_numba
from churnkit.trees.engines.numpy_engine import NumpyEngine
from churnkit.trees.engines.threads import share_rows
from churnkit.trees.forest import Forest
from churnkit.trees.input_matrix import as_matrix
from churnkit.trees.interactions import add_interactions
from churnkit.trees.interventional import add_interventional
from churnkit.trees.layout.derived import ForestLayout
from churnkit.trees.layout.topology import count_levels
from churnkit.trees.limits import check_limits
from churnkit.trees.objective import find_transform
from churnkit.trees.parsing.lightgbm_text import parse_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import lightgbm
    import numpy.typing as npt

    from churnkit.trees.input_matrix import Rows

    Floats = npt.NDArray[np.float64]

__all__ = ["CompiledTrees", "compile_booster"]

# Seconds of work with NumPy after which the kernels are loaded, which takes half a second, or some
# seconds where they are not yet compiled; and about what NumPy takes for one node and row.
_PLAIN_SECONDS = 1.0
_SCORE_SECONDS, _EXPLAIN_SECONDS = 5e-10, 2e-7
# Rows per thread below which another thread does not pay.
_SCORE_UNIT, _EXPLAIN_UNIT = 4096, 512


def compile_booster(booster: lightgbm.Booster | str, *, fast: bool | None = None) -> CompiledTrees:
    """Compile a LightGBM model.

    Parameters
    ----------
    booster
        A booster (its best iteration after early stopping, as in ``Booster.predict``), or the
        text of ``model_to_string`` or ``save_model``, which needs no lightgbm.
    fast
        Score with kernels compiled by numba (extra ``fast``), or never; by default if numba is
        installed, once NumPy has worked for about a second or `CompiledTrees.warm_up` is called.
        The results are identical bit for bit. Loading takes half a second, and compiling some
        seconds the first time on a machine.

    Returns
    -------
    CompiledTrees
        A model with the same predictions.

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
    """A LightGBM model as arrays, with predictions equal bit for bit and exact Shapley values.

    Create it with `compile_booster` or `from_arrays`. Threads can share it, and it can be created
    before a fork and used after.

    Parameters
    ----------
    forest
        The checked trees.
    fast
        Score with compiled kernels; by default if numba is installed.
    """

    kind = "trees"

    def __init__(self, forest: Forest, *, fast: bool | None = None) -> None:
        if fast and not has_numba():
            raise MissingExtraError("fast", "numba")
        self._forest = forest
        self.n_features: int = forest.n_features
        """Number of columns of a row."""
        self.n_outputs: int = forest.n_outputs
        """Scores per row: the number of classes of a multiclass model, otherwise 1."""
        self.raw_score_row: Callable[[Sequence[float]], float] = self.predict_row
        """Alias of `predict_row`; the method of the engine after `warm_up`."""
        self._transform = find_transform(forest.objective)
        self._layout = ForestLayout(forest)
        self._fast = fast
        self._plain = NumpyEngine(self._layout)
        self._plain_seconds = 0.0

    def __repr__(self) -> str:
        return (
            f"<CompiledTrees: {self.n_trees} trees, {self.n_features} features, "
            f"objective {self.objective or 'custom'!r}>"
        )

    @property
    def layout(self) -> ForestLayout:
        """The trees and the arrays derived from them, which engines and exporters read."""
        return self._layout

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns of a row, in order."""
        return self._forest.feature_names

    @property
    def n_trees(self) -> int:
        """Number of trees, over all outputs."""
        return self._forest.n_trees

    @property
    def path_steps(self) -> int:
        """Sum of the lengths of the paths to all leaves."""
        return count_levels(self._forest, self._forest.n_trees + len(self._forest.feature))[1]

    @property
    def objective(self) -> str:
        """The objective with its settings in LightGBM's notation; empty for a custom one."""
        return self._forest.objective

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Return the data to save: settings (JSON values) and arrays (without objects)."""
        return self._forest.to_arrays()

    @classmethod
    def from_arrays(
        cls,
        settings: dict[str, Any],
        arrays: dict[str, npt.NDArray[Any]],
        *,
        fast: bool | None = None,
    ) -> Self:
        """Create trees from the result of `to_arrays`, which is fully checked.

        Parameters
        ----------
        settings, arrays
            The result of `to_arrays`.
        fast
            As for `compile_booster`.

        Raises
        ------
        BundleError
            If anything is missing, has another type or shape, an index is out of range, or the
            trees exceed a limit of `churnkit.trees.limits`.
        """
        forest = Forest.from_arrays(settings, arrays)
        check_limits(forest)
        return cls(forest, fast=fast)

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
            Skip the objective's transformation and averaging.
        threads
            Number of threads; it does not change the result.
        start_tree, end_tree
            Range of trees (half-open, complete boosting rounds of a multiclass model). The start
            score of scikit-learn's and XGBoost's boosters is a tree of its own before the others,
            one per output, and CatBoost's bias is one after them.

        Returns
        -------
        ndarray
            Shape (n,), or (n, classes) for a multiclass model.

        Raises
        ------
        ValueError
            If X has another number of columns, or a setting is invalid.
        """
        first, last = self._range(start_tree, end_tree)
        rows = as_matrix(X, self.n_features)
        scores = np.zeros((len(rows), self.n_outputs))
        engine = self._engine_for(len(rows), _SCORE_SECONDS)

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
            One number per feature; NaN if missing.

        Raises
        ------
        ValueError
            If the number of values is wrong, or the model has several outputs.
        """
        if self.n_outputs != 1:
            raise ValueError("predict_row needs a model with one output: use predict")
        engine: NumpyEngine | NumbaEngine | None = self.__dict__.get("_engine")
        if engine is None:
            engine = self._engine_for(1, _SCORE_SECONDS)
        return engine.score_row(values)

    def leaf_indices(self, X: Any) -> npt.NDArray[np.int32]:
        """Return the leaf of each row in each tree, in LightGBM's numbering.

        Parameters
        ----------
        X
            Rows as in `predict`.

        Returns
        -------
        ndarray
            Shape (n, trees).
        """
        rows = as_matrix(X, self.n_features)
        leaves = np.empty((len(rows), self.n_trees), np.int32)
        self._plain.leaves(rows, leaves)
        return leaves

    def contributions(self, X: Any, *, background: Any = None, threads: int = 1) -> Floats:
        """Return exact Shapley values, by default as ``Booster.predict(pred_contrib=True)``.

        Parameters
        ----------
        X
            Rows as in `predict`.
        background
            Rows whose values replace those of unknown features, shape (m, features), for
            interventional Shapley values. By default the training rows of each node do, for
            path-dependent ones.
        threads
            Number of threads without background rows; it does not change the result.

        Returns
        -------
        ndarray
            Shape (n, features + 1); the last column is the expected score over the training
            or background rows, and each row sums to its raw score. A multiclass model has one
            such block per class, side by side.

        Raises
        ------
        BundleError
            If the model has no counts of training rows, or a column is a number and a category.
        ValueError
            If X has another number of columns, there are no background rows, or no threads.
        """
        rows, others = as_matrix(X, self.n_features), self._background(background)
        width = self.n_features + 1
        values = np.zeros((len(rows), self.n_outputs * width))
        if others is None:
            engine = self._engine_for(len(rows), _EXPLAIN_SECONDS)

            def work(start: int, stop: int) -> None:
                engine.explain(rows[start:stop], values[start:stop])

            share_rows(work, len(rows), threads, unit=_EXPLAIN_UNIT)
        else:
            encode = self._layout.binning.encode
            add_interventional(self._layout, encode(rows), encode(others), values)
        values[:, width - 1 :: width] += self._expected(others)
        return values

    def interactions(self, X: Any, *, background: Any = None) -> Floats:
        """Return exact Shapley interaction values of all pairs of features.

        Parameters
        ----------
        X, background
            Rows as in `contributions`.

        Returns
        -------
        ndarray
            Shape (n, features + 1, features + 1), with the classes second for a multiclass
            model. Rows of a matrix sum to the contributions; half of what two features add
            together stands on either side of the diagonal; the last element is the expected score.

        Raises
        ------
        BundleError, ValueError
            As for `contributions`.
        """
        rows, others = as_matrix(X, self.n_features), self._background(background)
        width, encode = self.n_features + 1, self._layout.binning.encode
        values = np.zeros((len(rows), self.n_outputs, width, width))
        codes = None if others is None else encode(others)
        add_interactions(self._layout, encode(rows), codes, values)
        values[:, :, -1, -1] += self._expected(others)
        return values[:, 0] if self.n_outputs == 1 else values

    def _background(self, background: Any) -> Rows | None:
        rows = None if background is None else as_matrix(background, self.n_features)
        if rows is not None and not len(rows):
            raise ValueError("background must have at least one row")
        return rows

    def _expected(self, background: Rows | None) -> Floats:
        """Return the mean score of each output over the training or background rows."""
        if background is None:
            return self._layout.attribution.expected
        means: Floats = self.raw_score(background).reshape(len(background), -1).mean(axis=0)
        return means

    def warm_up(self) -> None:
        """Load the compiled kernels, so that no later call waits for them.

        Before this, rows are scored with NumPy until loading the kernels pays off. The results
        are identical.
        """
        if self.n_outputs == 1:
            self._engine.score_row([0.0] * self.n_features)
            self.raw_score_row = self._engine.score_row
        row = np.zeros((1, self.n_features))
        self._engine.score(row, 0, self.n_trees, np.zeros((1, self.n_outputs)))

    def _engine_for(self, rows: int, seconds: float) -> NumpyEngine | NumbaEngine:
        """Choose the engine for a number of rows, with NumPy's seconds for a node and row."""
        if self._fast is None and "_engine" not in self.__dict__:
            # A single row never waits for kernels to be loaded.
            if rows == 1:
                return self._plain
            # Lost updates by other threads only delay the kernels.
            self._plain_seconds += rows * len(self._forest.feature) * seconds
            if self._plain_seconds < _PLAIN_SECONDS and not are_kernels_loaded():
                return self._plain
        return self._engine

    @cached_property
    def _engine(self) -> NumpyEngine | NumbaEngine:
        if self._fast is False or (self._fast is None and not has_numba()):
            return self._plain
        try:
            return NumbaEngine(self._layout)
        except ImportError as error:
            if self._fast:
                raise MissingExtraError("fast", "numba") from error
            # Some versions of numba do not support the installed NumPy.
            warnings.warn(
                f"numba is installed but cannot be imported; scoring with NumPy: {error}",
                RuntimeWarning,
                stacklevel=3,
            )
            return self._plain

    def _range(self, start_tree: int, end_tree: int | None) -> tuple[int, int]:
        end = self.n_trees if end_tree is None else end_tree
        is_valid = 0 <= start_tree <= end <= self.n_trees
        if not is_valid or start_tree % self.n_outputs or end % self.n_outputs:
            raise ValueError(
                f"start_tree and end_tree must be ascending multiples of {self.n_outputs} "
                f"between 0 and {self.n_trees}, got {start_tree} and {end}"
            )
        return start_tree, end
