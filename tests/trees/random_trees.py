"""Write LightGBM model texts of random trees."""

from __future__ import annotations

import numpy as np

N_COLUMNS = 5
N_CATEGORICAL = 2
TINY = float(np.float32(1e-35))
CUTS = [-1e300, -2.5, -TINY, -0.0, 0.0, 1e-36, TINY, 0.5, 1.0, np.nextafter(1.0, 2), 3.0, 1e300]
VALUES = [*CUTS, *np.nextafter(CUTS, np.inf), np.nan, np.inf, -np.inf, -1.0, -0.5, 2.0, 7.9, 33.0]
VALUES += [64.0, 95.0, 96.0, 1e9, 2.0**31, -(2.0**31), 2.0**33]


def random_tree(rng, n_leaves, number):
    """Grow a tree by splitting random leaves, as LightGBM numbers nodes and leaves."""
    nodes = n_leaves - 1
    left, right = np.zeros(nodes, int), np.zeros(nodes, int)
    where: dict[int, tuple[np.ndarray, int]] = {}
    for node in range(nodes):
        leaf = int(rng.integers(0, node + 1))
        if leaf in where:
            side, parent = where[leaf]
            side[parent] = node
        left[node], right[node] = ~leaf, ~(node + 1)
        where[leaf], where[node + 1] = (left, node), (right, node)
    feature = rng.integers(0, N_COLUMNS, nodes)
    categorical = feature < N_CATEGORICAL
    decision = np.where(categorical, 1, 2 * rng.integers(0, 2, nodes)) + 4 * rng.integers(
        0, 3, nodes
    )
    cuts = rng.choice(CUTS, nodes)
    words: list[int] = []
    bounds = [0]
    for node in np.flatnonzero(categorical).tolist():
        size = int(rng.integers(1, 4))
        words += rng.integers(0, 2**32, size).tolist()
        cuts[node] = len(bounds) - 1
        bounds.append(len(words))
    leaf_count = rng.integers(1, 50, n_leaves)
    node_count = np.zeros(nodes, int)
    for node in reversed(range(nodes)):
        for child in (left[node], right[node]):
            node_count[node] += node_count[child] if child >= 0 else leaf_count[~child]
    fields = {
        "num_leaves": [n_leaves],
        "num_cat": [len(bounds) - 1],
        "split_feature": feature,
        "split_gain": np.ones(nodes, int),
        "threshold": [repr(float(cut)) for cut in cuts],
        "decision_type": decision,
        "left_child": left,
        "right_child": right,
        "leaf_value": [repr(float(value)) for value in rng.normal(size=n_leaves)],
        "leaf_weight": np.ones(n_leaves, int),
        "leaf_count": leaf_count,
        "internal_value": np.zeros(nodes, int),
        "internal_weight": np.zeros(nodes, int),
        "internal_count": node_count,
        "is_linear": [0],
        "shrinkage": [1],
    }
    if len(bounds) > 1:
        fields |= {"cat_boundaries": bounds, "cat_threshold": words}
    lines = [f"{name}={' '.join(map(str, entry))}" for name, entry in fields.items()]
    return "\n".join([f"Tree={number}", *lines]) + "\n\n\n"


def random_model(seed, sizes, per_round=1):
    """Write a whole model with trees of these numbers of leaves."""
    rng = np.random.default_rng(seed)
    names = " ".join(f"c{column}" for column in range(N_COLUMNS))
    header = [
        "tree",
        "version=v4",
        f"num_class={per_round}",
        f"num_tree_per_iteration={per_round}",
        "label_index=0",
        f"max_feature_idx={N_COLUMNS - 1}",
        "objective=regression" if per_round == 1 else f"objective=multiclass num_class:{per_round}",
        f"feature_names={names}",
        f"feature_infos={' '.join(['[-10:10]'] * N_COLUMNS)}",
    ]
    trees = [random_tree(rng, size, number) for number, size in enumerate(sizes)]
    return "\n".join(header) + "\n\n" + "".join(trees) + "end of trees\n\n"


def random_rows(seed, n_rows=60):
    """Draw rows from the values on which trees turn."""
    rng = np.random.default_rng(seed)
    X = rng.choice(VALUES, (n_rows, N_COLUMNS))
    X[:, :N_CATEGORICAL][rng.random((n_rows, N_CATEGORICAL)) < 0.7] = rng.integers(0, 100)
    return X
