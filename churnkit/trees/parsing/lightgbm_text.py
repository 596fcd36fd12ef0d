"""Parse LightGBM's model text strictly.

The text is that of ``Booster.model_to_string`` and ``Booster.save_model``. Any text that is not
fully understood is an error, so that no model is scored wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.trees.forest import CATEGORICAL, DOUBLE, LIGHTGBM, Forest, join_arrays

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["parse_text"]

_VERSIONS = ("v3", "v4")
# Arrays of nodes: name, key in the text, and type.
_NODE_ARRAYS: tuple[tuple[str, str, type[np.generic]], ...] = (
    ("feature", "split_feature", np.int32),
    ("threshold", "threshold", np.float64),
    ("decision", "decision_type", np.uint8),
    ("left", "left_child", np.int32),
    ("right", "right_child", np.int32),
    ("node_count", "internal_count", np.int64),
)


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
    trees = [_parse_tree(number, tree_text) for number, tree_text in enumerate(tree_texts)]
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
        comparison=LIGHTGBM,
        precision=DOUBLE,
        **join_arrays(trees),
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


def _parse_tree(number: int, text: str) -> dict[str, npt.NDArray[Any]]:
    """Parse the arrays of one tree."""
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
    n_leaves = _integer(entries, "num_leaves", where)
    if n_leaves < 1:
        raise _malformed(f"{where} has no leaf")
    tree = {
        name: _numbers(entries, key, where, n_leaves - 1, dtype)
        for name, key, dtype in _NODE_ARRAYS
    }
    tree["leaf_value"] = _numbers(entries, "leaf_value", where, n_leaves, np.float64)
    tree["leaf_count"] = np.zeros(1, np.int64)
    if n_leaves > 1 or entries.get("leaf_count"):
        tree["leaf_count"] = _numbers(entries, "leaf_count", where, n_leaves, np.int64)
    tree["node_offset"], tree["leaf_offset"] = np.array([0, n_leaves - 1]), np.array([0, n_leaves])
    _parse_categories(entries, where, tree)
    return tree


def _parse_categories(
    entries: dict[str, str], where: str, tree: dict[str, npt.NDArray[Any]]
) -> None:
    """Parse the category sets, whose numbers are the thresholds of categorical nodes."""
    n_sets = _integer(entries, "num_cat", where)
    if n_sets < 0:
        raise _malformed(f"{where} has a negative num_cat")
    boundaries = np.zeros(1, np.int64)
    if n_sets:
        boundaries = _numbers(entries, "cat_boundaries", where, n_sets + 1, np.int64)
        if boundaries[0] != 0 or (np.diff(boundaries) <= 0).any():
            raise _malformed(f"{where} has cat_boundaries that do not ascend from 0")
    elif entries.get("cat_boundaries"):
        raise _malformed(f"{where} has cat_boundaries without sets")
    tree["category_offset"] = boundaries
    n_words = int(boundaries[-1])
    tree["category_words"] = _numbers(entries, "cat_threshold", where, n_words, np.uint32)
    categorical = (tree["decision"] & CATEGORICAL) > 0
    numbers = tree["threshold"][categorical]
    if not ((numbers >= 0) & (numbers < n_sets) & (numbers == np.floor(numbers))).all():
        raise _malformed(f"{where} has a categorical node without a set")
    tree["category_set"] = np.full(len(tree["feature"]), -1, np.int32)
    tree["category_set"][categorical] = numbers.astype(np.int32)
    tree["threshold"][categorical] = 0.0
