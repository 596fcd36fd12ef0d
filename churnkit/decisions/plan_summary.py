"""Summarize a plan as a small decision tree in the schema's words."""

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
    r"""Summarize a plan as the lines of a decision tree.

    The tree approximates the plan; it is not the rule by which the plan was made.

    Parameters
    ----------
    actions
        (n,) planned action of each customer, or None.
    matrix
        (n, k) customers encoded for ``"recommend"``.
    columns
        The k columns.

    Returns
    -------
    tuple of str
        One line per leaf; the last line is the share of customers whose planned action is the
        most common one of their leaf.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> fee = np.repeat([[10.0], [50.0]], 100, axis=0)
    >>> lines = plan_tree([None] * 100 + ["call"] * 100, fee, [Column("fee", "number", ("value",))])
    >>> print("\n".join(lines))
    fee at most 30: 100 customers, no action 100%
    fee above 30: 100 customers, call 100%
    the tree agrees with the plan for 100% of customers
    """
    from sklearn.tree import DecisionTreeClassifier

    labels = np.array([_NONE if action is None else action for action in actions], dtype=object)
    if labels.shape[0] == 0:
        return ("no customers",)
    features, words = _features(matrix, columns)
    min_samples_leaf = max(1, labels.shape[0] // 50)
    names, codes = np.unique(labels.astype(str), return_inverse=True)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=_LEAVES, min_samples_leaf=min_samples_leaf, random_state=0
    ).fit(features, codes)
    agreement = float(np.mean(tree.predict(features) == codes))
    lines: list[str] = []
    _walk(tree.tree_, words, names, lines)
    lines.append(f"the tree agrees with the plan for {agreement:.0%} of customers")
    return tuple(lines)


def _features(
    matrix: NDArray[np.float64], columns: Sequence[Column]
) -> tuple[NDArray[np.float32], list[tuple[str, str]]]:
    """Return the features (n, f), and for each its phrases below and above a threshold."""
    parts: list[NDArray[np.float64]] = []
    words: list[tuple[str, str]] = []
    for position, column in enumerate(columns):
        cells = matrix[:, position]
        if column.type == "string":
            for code, level in enumerate((column.levels or ())[:_LEVELS]):
                parts.append((cells == code).astype(np.float64))
                words.append((f"{column.title} is not {level}", f"{column.title} is {level}"))
        elif column.type == "boolean":
            parts.append(np.where(np.isnan(cells), 0.0, cells))
            words.append((f"{column.title}: no", f"{column.title}: yes"))
        elif column.type in {"integer", "number"}:
            finite = np.isfinite(cells)
            median = float(np.median(cells[finite])) if finite.any() else 0.0
            parts.append(np.where(finite, cells, median))
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
        shares = ", ".join(f"{names[k]} {share[k]:.0%}" for k in order[:3] if share[k] >= 0.005)
        count = int(tree.n_node_samples[node])
        lines.append(f"{path or 'all'}: {count:,} customers, {shares}")
        return
    below, above = words[tree.feature[node]]
    threshold = f"{float(tree.threshold[node]):.4g}"
    for child, phrase in ((tree.children_left[node], below), (tree.children_right[node], above)):
        condition = phrase.replace("{}", threshold)
        child_path = f"{path} and {condition}" if path else condition
        _walk(tree, words, names, lines, node=child, path=child_path)
