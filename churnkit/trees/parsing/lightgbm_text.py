"""Parse LightGBM's model text strictly.

The text is that of ``Booster.model_to_string`` and ``Booster.save_model``. Any text that is not
fully understood is an error, so that no model is scored wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.forest import CATEGORICAL, Forest

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["parse_text"]

_VERSIONS = ("v3", "v4")


def parse_text(text: str) -> Forest:
    """Parse a LightGBM model text.

    Parameters
    ----------
    text
        Header and trees; the text after ``end of trees`` is ignored.

    Returns
    -------
    Forest
        The checked trees.

    Raises
    ------
    BundleError
        If the text is not a LightGBM model, is malformed, or has linear trees.
    """
    body, end, _ = text.replace("\r\n", "\n").partition("\nend of trees")
    if not end:
        raise _malformed("'end of trees' is missing")
    header_text, *tree_texts = body.split("\nTree=")
    header = _read_header(header_text)
    n_outputs = _integer(header, "num_tree_per_iteration", "the header")
    trees = [_Tree(number, tree_text) for number, tree_text in enumerate(tree_texts)]
    sizes = header.get("tree_sizes")
    if sizes is not None and len(sizes.split()) != len(trees):
        raise _malformed(f"tree_sizes lists {len(sizes.split())} trees, but there are {len(trees)}")
    names = tuple(header.get("feature_names", "").split())
    if len(names) != _integer(header, "max_feature_idx", "the header") + 1:
        raise _malformed("feature_names and max_feature_idx do not match")
    if n_outputs < 1:
        raise _malformed("num_tree_per_iteration is not positive")
    forest = Forest(
        feature_names=names,
        objective=header.get("objective", ""),
        n_outputs=n_outputs,
        average_output="average_output" in header,
        **_join(trees),
    )
    forest.check()
    return forest


def _malformed(problem: str) -> BundleError:
    return BundleError(
        f"not a valid LightGBM model text: {problem}. Write it again with Booster.save_model or "
        "Booster.model_to_string."
    )


def _read_header(text: str) -> dict[str, str]:
    first, _, rest = text.strip().partition("\n")
    if first.strip() != "tree":
        raise _malformed("its first line is not 'tree'")
    header = _read_lines(rest, "the header")
    if header.get("version") not in _VERSIONS:
        raise _malformed(f"its version is not one of {', '.join(_VERSIONS)}")
    return header


def _read_lines(text: str, where: str) -> dict[str, str]:
    entries: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        key, _, entry = line.partition("=")
        if key in entries:
            raise _malformed(f"{where} has {key[:40]!r} twice")
        entries[key] = entry.strip()
    return entries


def _numbers(
    entries: dict[str, str],
    key: str,
    where: str,
    size: int,
    dtype: type[np.generic],
) -> npt.NDArray[Any]:
    """Parse exactly `size` numbers, without Python notation such as ``1_000``."""
    entry = entries.get(key, "" if size == 0 else None)
    if entry is None:
        raise _malformed(f"{where} has no {key}")
    if "_" in entry or not entry.isascii():
        raise _malformed(f"{key} of {where} has a value that is not a number")
    kind = float if dtype is np.float64 else int
    try:
        numbers = np.array([kind(word) for word in entry.split()], dtype=dtype)
    except (ValueError, OverflowError) as error:
        raise _malformed(
            f"{key} of {where} has a value that is not a number, or out of range"
        ) from error
    if len(numbers) != size:
        raise _malformed(f"{key} of {where} must have {size} numbers, got {len(numbers)}")
    return numbers


def _integer(entries: dict[str, str], key: str, where: str) -> int:
    return int(_numbers(entries, key, where, 1, np.int32)[0])


class _Tree:
    """The arrays of one tree."""

    def __init__(self, number: int, text: str) -> None:
        where = f"tree {number}"
        title, _, rest = text.partition("\n")
        if title.strip() != str(number):
            raise _malformed(f"tree {number} is missing")
        entries = _read_lines(rest, where)
        if entries.get("is_linear", "0") != "0":
            raise BundleError(
                "the model has linear trees (linear_tree=true), which are not supported: train it "
                "with linear_tree=false"
            )
        self.n_leaves = _integer(entries, "num_leaves", where)
        if self.n_leaves < 1:
            raise _malformed(f"{where} has no leaf")
        self._read_nodes(entries, where, self.n_leaves - 1)
        self.leaf_value = _numbers(entries, "leaf_value", where, self.n_leaves, np.float64)
        if self.n_leaves > 1 or entries.get("leaf_count"):
            self.leaf_count = _numbers(entries, "leaf_count", where, self.n_leaves, np.int64)
        else:
            self.leaf_count = np.zeros(1, np.int64)
        self._read_categories(entries, where)

    def _read_nodes(self, entries: dict[str, str], where: str, size: int) -> None:
        self.feature = _numbers(entries, "split_feature", where, size, np.int32)
        self.threshold = _numbers(entries, "threshold", where, size, np.float64)
        self.decision = _numbers(entries, "decision_type", where, size, np.uint8)
        self.left = _numbers(entries, "left_child", where, size, np.int32)
        self.right = _numbers(entries, "right_child", where, size, np.int32)
        self.node_count = _numbers(entries, "internal_count", where, size, np.int64)

    def _read_categories(self, entries: dict[str, str], where: str) -> None:
        n_sets = _integer(entries, "num_cat", where)
        if n_sets < 0:
            raise _malformed(f"{where} has a negative num_cat")
        size = n_sets + 1 if n_sets else 0
        boundaries = _numbers(entries, "cat_boundaries", where, size, np.int64)
        self.category_size = np.diff(boundaries)
        if n_sets and (boundaries[0] != 0 or (self.category_size <= 0).any()):
            raise _malformed(f"{where} has cat_boundaries that do not ascend from 0")
        n_words = int(boundaries[-1]) if n_sets else 0
        self.category_words = _numbers(entries, "cat_threshold", where, n_words, np.uint32)
        categorical = (self.decision & CATEGORICAL) > 0
        position = self.threshold[categorical]
        if not ((position >= 0) & (position < n_sets) & (position == np.floor(position))).all():
            raise _malformed(f"{where} has a categorical node without a set")
        self.category_set = np.full(len(self.feature), -1, np.int32)
        self.category_set[categorical] = position.astype(np.int32)
        self.threshold[categorical] = 0.0


def _join(trees: list[_Tree]) -> dict[str, npt.NDArray[Any]]:
    """Concatenate the arrays of all trees, with sets of categories numbered across trees."""
    n_sets = np.cumsum([0, *(len(tree.category_size) for tree in trees)])
    joined: dict[str, npt.NDArray[Any]] = {
        name: _concatenate([getattr(tree, name) for tree in trees], dtype)
        for name, dtype in (
            ("feature", np.int32),
            ("threshold", np.float64),
            ("decision", np.uint8),
            ("left", np.int32),
            ("right", np.int32),
            ("node_count", np.int64),
            ("category_words", np.uint32),
            ("leaf_value", np.float64),
            ("leaf_count", np.int64),
        )
    }
    joined["category_set"] = _concatenate(
        [
            np.where(tree.category_set >= 0, tree.category_set + start, -1)
            for tree, start in zip(trees, n_sets, strict=False)
        ],
        np.int32,
    )
    sizes = _concatenate([tree.category_size for tree in trees], np.int64)
    joined["category_offset"] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    for name, extra in (("node_offset", 1), ("leaf_offset", 0)):
        counts = [tree.n_leaves - extra for tree in trees]
        joined[name] = np.cumsum([0, *counts]).astype(np.int64)
    return joined


def _concatenate(parts: list[npt.NDArray[Any]], dtype: type[np.generic]) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)
