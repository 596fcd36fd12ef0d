"""Who gets what, as a small tree in the schema's words: a summary for people, not the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.contracts import Column

__all__ = ["plan_tree"]

_LEAVES = 8
_NONE = "no action"
# Categories beyond these have too few customers to split a summary by.
_LEVELS = 12


def plan_tree(
    actions: Sequence[str | None], matrix: NDArray[np.float64], columns: Sequence[Column]
) -> tuple[str, ...]:
    r"""Sum up a plan in lines of text.

    Parameters
    ----------
    actions
        (n,) each customer's action, None for none.
    matrix
        (n, k) the customers, encoded for ``"recommend"``.
    columns
        The k columns.

    Returns
    -------
    tuple of str
        The tree's lines; the last line says for how many customers its commonest action is
        what they get.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> fee = np.repeat([[10.0], [50.0]], 100, axis=0)
    >>> lines = plan_tree([None] * 100 + ["call"] * 100, fee, [Column("fee", "number", ("value",))])
    >>> print("\n".join(lines))
    fee at most 30: 100 customers, no action 100%
    fee above 30: 100 customers, call 100%
    the tree gives 100% of customers what the plan gives them
    """
    from sklearn.tree import DecisionTreeClassifier

    given = np.array([_NONE if action is None else action for action in actions], dtype=object)
    if given.shape[0] == 0:
        return ("no customers",)
    features, words = _features(matrix, columns)
    least = max(1, given.shape[0] // 50)
    names, codes = np.unique(given.astype(str), return_inverse=True)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=_LEAVES, min_samples_leaf=least, random_state=0
    ).fit(features, codes)
    agreed = float(np.mean(tree.predict(features) == codes))
    lines: list[str] = []
    _walk(tree.tree_, words, names, lines)
    lines.append(f"the tree gives {agreed:.0%} of customers what the plan gives them")
    return tuple(lines)


def _features(
    matrix: NDArray[np.float64], columns: Sequence[Column]
) -> tuple[NDArray[np.float32], list[tuple[str, str]]]:
    """Give numbers to split by, and for each what is said below and above a split."""
    parts: list[NDArray[np.float64]] = []
    words: list[tuple[str, str]] = []
    for place, column in enumerate(columns):
        cells = matrix[:, place]
        if column.type == "string":
            for code, level in enumerate((column.levels or ())[:_LEVELS]):
                parts.append((cells == code).astype(np.float64))
                words.append((f"{column.title} is not {level}", f"{column.title} is {level}"))
        elif column.type == "boolean":
            parts.append(np.where(np.isnan(cells), 0.0, cells))
            words.append((f"{column.title}: no", f"{column.title}: yes"))
        elif column.type in {"integer", "number"}:
            known = np.isfinite(cells)
            middle = float(np.median(cells[known])) if known.any() else 0.0
            parts.append(np.where(known, cells, middle))
            unit = f" {column.unit}" if column.unit else ""
            words.append((f"{column.title} at most {{}}{unit}", f"{column.title} above {{}}{unit}"))
    table = np.column_stack(parts) if parts else np.zeros((matrix.shape[0], 1))
    return table.astype(np.float32), words or [("", "")]


def _walk(
    tree: Any,
    words: Sequence[tuple[str, str]],
    names: NDArray[Any],
    lines: list[str],
    *,
    node: int = 0,
    path: str = "",
) -> None:
    if tree.children_left[node] < 0:
        share = tree.value[node][0] / tree.value[node][0].sum()
        order = np.argsort(-share, kind="stable")
        said = ", ".join(f"{names[k]} {share[k]:.0%}" for k in order[:3] if share[k] >= 0.005)
        count = int(tree.n_node_samples[node])
        lines.append(f"{path or 'all'}: {count:,} customers, {said}")
        return
    below, above = words[tree.feature[node]]
    threshold = f"{float(tree.threshold[node]):.4g}"
    for child, said in ((tree.children_left[node], below), (tree.children_right[node], above)):
        step = said.replace("{}", threshold)
        further = f"{path} and {step}" if path else step
        _walk(tree, words, names, lines, node=child, path=further)
