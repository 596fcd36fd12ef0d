"""Compiled trees as SQL.

A column's numbers become the count of the model's thresholds below them, as in
`churnkit.trees`; a node then compares a small integer. Trees are added in their order, in steps
of a limited number so that no expression is too deep for a database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from churnkit.bundle.sql.dialect import number
from churnkit.bundle.sql.expression import Operand, branch, search
from churnkit.bundle.sql.steps import TERMS_PER_STEP
from churnkit.errors import RecipeError
from churnkit.trees.forest import SINGLE
from churnkit.trees.layout.binning import NumericInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle.sql.dialect import SqlDialect
    from churnkit.bundle.sql.steps import Steps
    from churnkit.trees import CompiledTrees
    from churnkit.trees.layout.binning import CategoricalInput
    from churnkit.trees.layout.derived import ForestLayout

__all__ = ["add_forest"]

# DuckDB accepts expressions of a depth up to 1,000; a term of a chain adds one, and its own depth.
_MAX_DEPTH: Final = 900
_MISSING, _ZERO_CODE = -1, -2


def add_forest(
    trees: CompiledTrees, features: Sequence[str], steps: Steps, dialect: SqlDialect
) -> str:
    """Add the raw score of trees, and return its column.

    Parameters
    ----------
    trees
        A model with one output.
    features : (f,) columns with the values, NULL if missing

    Raises
    ------
    RecipeError
        If the model has several outputs, its trees are too deep, or it adds in single precision.
    """
    layout = trees.layout
    deepest = int(layout.topology.depth.max(initial=0))
    if layout.forest.precision == SINGLE:
        raise RecipeError(
            "trees whose scores are added in single precision, such as XGBoost's, cannot be written "
            "as SQL exactly: score the model with churnkit score"
        )
    if trees.n_outputs != 1 or deepest + TERMS_PER_STEP > _MAX_DEPTH:
        raise RecipeError(
            f"trees with {trees.n_outputs} outputs and a depth of {deepest:,} cannot be written "
            f"as SQL: it takes one output and a depth of at most {_MAX_DEPTH - TERMS_PER_STEP:,}"
        )
    steps.close()
    codes = [
        steps.add("k", _code(source, features[source.feature], dialect))
        for source in layout.binning.inputs
    ]
    return steps.add_chain(
        "s", [dialect.double(0.0), *_tree_texts(layout, codes, dialect)], operator="\n+ "
    )


def _code(source: NumericInput | CategoricalInput, name: str, dialect: SqlDialect) -> str:
    """Return a column's code; for a number -1 if missing, -2 for a zero that counts as missing."""
    if not isinstance(source, NumericInput):
        return _category_code(source, name)
    thresholds = source.thresholds.tolist()
    counts = [Operand(str(count)) for count in range(len(thresholds) + 1)]
    code = search(dialect, name, thresholds, counts, below="<=").text
    at_zero = int(np.searchsorted(source.thresholds, 0.0))
    zero = _ZERO_CODE if source.zero_code >= 0 else at_zero
    missing = _MISSING if source.nan_code > len(thresholds) else source.nan_code
    close = (np.abs(source.thresholds) <= source.tiny).any()
    is_zero = f" WHEN ABS({name}) <= {number(source.tiny)} THEN {zero}" if close or zero < 0 else ""
    return f"CASE WHEN {name} IS NULL THEN {missing}{is_zero} ELSE {code} END"


def _category_code(source: CategoricalInput, name: str) -> str:
    """Return the class of a category; 0 if it is in no set of the model."""
    classes = source.class_of.tolist()
    whens = "".join(
        f" WHEN {category} THEN {kind}" for category, kind in enumerate(classes) if kind
    )
    missing = f" WHEN {name} IS NULL THEN {source.nan_code}" if source.nan_code else ""
    if not whens and not missing:
        return "0"
    inside = f"{name} > -1 AND {name} < {len(classes)}"
    if source.is_exact:
        inside += f" AND {name} = FLOOR({name})"
    # Truncated towards zero; a number just above -1 is category 0.
    category = f"CASE WHEN {name} < 0 THEN 0 ELSE FLOOR({name}) END"
    known = f"CASE {category}{whens} ELSE 0 END" if whens else "0"
    return f"CASE{missing} WHEN {inside} THEN {known} ELSE 0 END"


def _tree_texts(layout: ForestLayout, codes: Sequence[str], dialect: SqlDialect) -> list[str]:
    """Return the expression of each tree, built from the leaves up."""
    forest, values = layout.forest, layout.forest.leaf_value.tolist()
    left, right = forest.left.tolist(), forest.right.tolist()
    conditions = _conditions(layout, codes)
    texts = []
    for tree in range(forest.n_trees):
        first, stop = forest.node_offset[tree : tree + 2].tolist()
        leaf = int(forest.leaf_offset[tree])
        built: dict[int, Operand] = {}

        def operand(child: int, leaf: int = leaf, built: dict[int, Operand] = built) -> Operand:
            return Operand.of(values[leaf + ~child]) if child < 0 else built.pop(child)

        # Children come after their parent.
        for node in range(stop - 1, first - 1, -1):
            built[node - first] = branch(
                dialect, conditions[node], operand(left[node]), operand(right[node])
            )
        texts.append(operand(0 if stop > first else ~0).typed(dialect))
    return texts


def _conditions(layout: ForestLayout, codes: Sequence[str]) -> list[str]:
    """Return the condition of each node under which a row goes left."""
    binning, traversal = layout.binning, layout.traversal
    conditions = []
    for node, (source_number, cut) in enumerate(
        zip(binning.node_input.tolist(), binning.node_cut.tolist(), strict=True)
    ):
        source, code = binning.inputs[source_number], codes[source_number]
        begin, limit = traversal.begin[node], traversal.cut[node]
        goes_left = traversal.table[begin : begin + source.n_codes] <= limit
        if isinstance(source, NumericInput):
            conditions.append(_number_condition(source, code, cut, goes_left.tolist()))
            continue
        chosen, others = np.flatnonzero(goes_left), np.flatnonzero(~goes_left)
        is_shorter = len(chosen) <= len(others)
        members = ",".join(map(str, (chosen if is_shorter else others).tolist()))
        conditions.append(f"{code} {'IN' if is_shorter else 'NOT IN'} ({members})")
    return conditions


def _number_condition(source: NumericInput, code: str, cut: int, goes_left: list[bool]) -> str:
    """Return the condition of a numeric node: codes up to the cut, and the special ones."""
    special = {}
    if source.nan_code > len(source.thresholds):
        special[_MISSING] = goes_left[source.nan_code]
    if source.zero_code >= 0:
        special[_ZERO_CODE] = goes_left[source.zero_code]
    if all(special.values()):
        return f"{code}<={cut}"
    condition = f"{code} BETWEEN 0 AND {cut}"
    return " OR ".join([condition, *(f"{code}={value}" for value, left in special.items() if left)])
