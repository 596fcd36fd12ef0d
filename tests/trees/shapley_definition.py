"""Shapley values and interactions by their definition, over all sets of features."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np


def shapley_values(worth, n):
    """Average what each feature adds, for `worth` of a tuple of known features."""
    values = np.zeros(n)
    for feature in range(n):
        others = [other for other in range(n) if other != feature]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for known in combinations(others, size):
                gain = worth(tuple(sorted((*known, feature)))) - worth(known)
                values[feature] += weight * gain
    return values


def shapley_interactions(worth, n):
    """Return the matrix whose rows sum to the Shapley values, with halves off the diagonal."""
    matrix = np.zeros((n, n))
    for i, j in combinations(range(n), 2):
        others = [other for other in range(n) if other not in {i, j}]
        for size in range(n - 1):
            weight = factorial(size) * factorial(n - size - 2) / factorial(n - 1)
            for known in combinations(others, size):
                both, first, second = (
                    worth(tuple(sorted((*known, *more)))) for more in ((i, j), (i,), (j,))
                )
                matrix[i, j] += weight * (both - first - second + worth(known)) / 2
        matrix[j, i] = matrix[i, j]
    np.fill_diagonal(matrix, shapley_values(worth, n) - matrix.sum(axis=1))
    return matrix
