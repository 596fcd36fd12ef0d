# Kernels take tuples of arrays whose types numba infers; annotating them would say "Any".
# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# ruff: noqa: ANN001, ANN201, ANN202, PLR0917

"""Kernels for exact Shapley values, compiled by numba; see `churnkit.trees.shapley`."""

from __future__ import annotations

import numpy as np

from churnkit.trees.engines.numba_kernels import compiled, encode_input

__all__ = ["explain_block", "explain_rows"]

# Rows per pass over a leaf's links; they fit the first-level cache.
_STRIP = 1024


@compiled
def _test_links(codes, row, traversal, paths, goes_right, one):
    """Test which links pass a row on, at every step."""
    number_of, begin, cut, table = traversal[0], traversal[1], traversal[2], traversal[3]
    step_node, step_is_right, link_start = paths
    for node in range(len(goes_right)):
        code = codes[number_of[node], row]
        goes_right[node] = table[begin[node] + code] > cut[node]
    for link in range(len(one)):
        agrees = True
        for step in range(link_start[link], link_start[link + 1]):
            agrees &= goes_right[step_node[step]] == step_is_right[step]
        one[link] = agrees


@compiled
def explain_rows(values, inputs, traversal, paths, leaves, links, rule, out):
    """Add the contributions row by row, for few rows.

    Parameters
    ----------
    values
        Shape (inputs, n): the columns of the inputs. Changed in place.
    inputs, traversal
        See `churnkit.trees.engines.kernel_arguments.KernelArguments`.
    paths, leaves, links, rule
        See `churnkit.trees.engines.kernel_arguments.ShapArguments`.
    out
        Shape (n, columns).
    """
    leaf_value, leaf_column, link_offset = leaves
    _, link_column, link_zero = links
    points, weights, rule_offset = rule
    n_inputs, n_rows = values.shape
    codes = np.empty((n_inputs, n_rows), np.uint32)
    for number in range(n_inputs):
        encode_input(number, values[number], inputs, codes[number])
    longest = 0
    for leaf in range(len(leaf_value)):
        longest = max(longest, link_offset[leaf + 1] - link_offset[leaf])
    goes_right, one = np.empty(len(traversal[0]), np.bool_), np.empty(len(link_zero), np.bool_)
    total, factor = np.empty(longest, np.float64), np.empty(longest, np.float64)
    for row in range(n_rows):
        _test_links(codes, row, traversal, paths, goes_right, one)
        for leaf in range(len(leaf_value)):
            first = link_offset[leaf]
            count = link_offset[leaf + 1] - first
            total[:count] = 0.0
            for step in range(rule_offset[count], rule_offset[count + 1]):
                point, weight = points[step], weights[step]
                product, missed = leaf_value[leaf], -weight / (1.0 - point)
                for j in range(count):
                    zero = link_zero[first + j]
                    stopped = (1.0 - point) * zero
                    factor[j] = point + stopped if one[first + j] else stopped
                    product *= factor[j]
                for j in range(count):
                    share = missed
                    if one[first + j]:
                        share = weight * (1.0 - link_zero[first + j]) / factor[j]
                    total[j] += product * share
            for j in range(count):
                out[row, leaf_column[leaf] + link_column[first + j]] += total[j]


@compiled
def _multiply_two(open_leaves, at, to, bit, products, p, size, first, second):
    """Multiply the products at two points by the factors of two links."""
    a, b, c, d = first
    e, f, g, h = second
    q = p + size
    for i in range(size):
        one, other = (open_leaves[at + i] & bit) != 0, (open_leaves[to + i] & bit) != 0
        products[p + i] = products[p + i] * (a if one else c) * (e if other else g)
        products[q + i] = products[q + i] * (b if one else d) * (f if other else h)


@compiled
def _multiply_three(open_leaves, at, to, bit, products, p, size, first, second):
    """Multiply the products at three points by the factors of two links."""
    a, b, c, d, e, f = first
    g, h, k, m, n, o = second
    q, r = p + size, p + size + size
    for i in range(size):
        one, other = (open_leaves[at + i] & bit) != 0, (open_leaves[to + i] & bit) != 0
        products[p + i] = products[p + i] * (a if one else d) * (g if other else m)
        products[q + i] = products[q + i] * (b if one else e) * (h if other else n)
        products[r + i] = products[r + i] * (c if one else f) * (k if other else o)


@compiled
def _sum_two(open_leaves, at, bit, products, size, shares, totals, t):
    """Add the products at the first two points to one link."""
    a, b = shares[0, 0], shares[0, 1]
    c, d = shares[1, 0], shares[1, 1]
    for i in range(size):
        one = (open_leaves[at + i] & bit) != 0
        total = products[i] * (a if one else c)
        totals[t + i] += total + products[size + i] * (b if one else d)


@compiled
def _sum_three(open_leaves, at, bit, products, size, shares, totals, t):
    """Add the products at the first three points to one link."""
    a, b, c = shares[0, 0], shares[0, 1], shares[0, 2]
    d, e, f = shares[1, 0], shares[1, 1], shares[1, 2]
    r = size + size
    for i in range(size):
        one = (open_leaves[at + i] & bit) != 0
        total = products[i] * (a if one else d)
        total = total + products[size + i] * (b if one else e)
        totals[t + i] += total + products[r + i] * (c if one else f)


@compiled
def _sum_four(open_leaves, at, bit, products, size, shares, totals, t):
    """Add the products at the first four points to one link."""
    a, b, c, d = shares[0, 0], shares[0, 1], shares[0, 2], shares[0, 3]
    e, f, g, h = shares[1, 0], shares[1, 1], shares[1, 2], shares[1, 3]
    r, s = size + size, size + size + size
    for i in range(size):
        one = (open_leaves[at + i] & bit) != 0
        total = products[i] * (a if one else e)
        total = total + products[size + i] * (b if one else f)
        total = total + products[r + i] * (c if one else g)
        totals[t + i] += total + products[s + i] * (d if one else h)


@compiled
def _sum_many(open_leaves, at, bit, products, size, shares, n_points, totals, t, sums):
    """Add the products at five or more points to one link."""
    for i in range(size):
        sums[i] = 0.0
    _sum_four(open_leaves, at, bit, products, size, shares, sums, np.uint64(0))
    for step in range(4, n_points):
        p, a, c = np.uint64(step) * size, shares[0, step], shares[1, step]
        for i in range(size):
            one = (open_leaves[at + i] & bit) != 0
            sums[i] += products[p + i] * (a if one else c)
    for i in range(size):
        totals[t + i] += sums[i]


@compiled
def _prepare_link(zero, points, weights, constants):
    """Compute a link's factors and shares at each point, for rows it passes on and others."""
    n_points = len(points)
    # Points are processed in twos or threes; a single point is padded with weight 0.
    for step in range(max(n_points, 2)):
        point = points[step] if step < n_points else 0.5
        weight = weights[step] if step < n_points else 0.0
        passed = point + (1.0 - point) * zero
        constants[0, step] = passed
        constants[1, step] = (1.0 - point) * zero
        constants[2, step] = weight * (1.0 - zero) / passed
        constants[3, step] = -weight / (1.0 - point)


@compiled
def _multiply_links(open_leaves, size, bit, inputs, constants, n_points, products):
    """Multiply a leaf's products by the factors of all links, in pairs."""
    for j in range(0, len(inputs), 2):
        paired = j + 1 < len(inputs)
        at = np.uint64(inputs[j]) * size
        to = np.uint64(inputs[j + 1]) * size if paired else at
        x = constants[j]
        # An unpaired link is paired with factors of 1.
        y = constants[j + 1] if paired else constants[-1]
        step = 0
        while step < n_points:
            p, s, t = np.uint64(step) * size, step + 1, step + 2
            if (n_points - step) % 2:
                three = (x[0, step], x[0, s], x[0, t], x[1, step], x[1, s], x[1, t])
                more = (y[0, step], y[0, s], y[0, t], y[1, step], y[1, s], y[1, t])
                _multiply_three(open_leaves, at, to, bit, products, p, size, three, more)
                step += 3
            else:
                two = (x[0, step], x[0, s], x[1, step], x[1, s])
                other = (y[0, step], y[0, s], y[1, step], y[1, s])
                _multiply_two(open_leaves, at, to, bit, products, p, size, two, other)
                step += 2


@compiled
def _explain_leaf(
    open_leaves, size, bit, value, inputs, columns, constants, n_points, scratch, out, begin
):
    """Add a leaf's contributions to a strip of rows, in the flat array `out`."""
    products, sums, n_rows = scratch
    for i in range(np.uint64(n_points) * size):
        products[i] = value
    _multiply_links(open_leaves, size, bit, inputs, constants, n_points, products)
    for j in range(len(inputs)):
        at, shares = np.uint64(inputs[j]) * size, constants[j, 2:]
        t = np.uint64(columns[j]) * n_rows + begin
        if n_points == 2:
            _sum_two(open_leaves, at, bit, products, size, shares, out, t)
        elif n_points == 3:
            _sum_three(open_leaves, at, bit, products, size, shares, out, t)
        elif n_points == 4:
            _sum_four(open_leaves, at, bit, products, size, shares, out, t)
        else:
            _sum_many(open_leaves, at, bit, products, size, shares, n_points, out, t, sums)


@compiled
def explain_block(values, inputs, masks, leaves, links, rule, out):
    """Add the contributions of a range of leaves to a block of rows, leaf by leaf.

    Parameters are those of `explain_rows`, but that `masks` (words, first rows, and the first
    leaf, which is a multiple of 64) takes the place of paths, that `out` has shape
    (columns, n), and that n is a multiple of 256, or of 1024 beyond that.
    """
    words, first_row, first_leaf = masks
    leaf_value, leaf_column, link_offset = leaves
    link_input, link_column, link_zero = links
    points, weights, rule_offset = rule
    n_inputs, n_rows = values.shape
    codes = np.empty((n_inputs, n_rows), np.uint32)
    for number in range(n_inputs):
        encode_input(number, values[number], inputs, codes[number])
    longest = 2
    for leaf in range(len(leaf_value)):
        longest = max(longest, link_offset[leaf + 1] - link_offset[leaf])
    size = np.uint64(min(_STRIP, n_rows))
    scratch = (
        np.empty(np.uint64(longest) * size, np.float64),
        np.empty(size, np.float64),
        np.uint64(n_rows),
    )
    constants = np.ones((longest + 1, 4, longest), np.float64)
    column_of_word = np.empty(len(words), np.uint64)
    open_leaves = np.empty(np.uint64(n_inputs) * size, np.uint64)
    for word in range(words.shape[1]):
        for row in range(len(words)):
            column_of_word[row] = words[row, word]
        word_leaf = first_leaf + word * 64
        last_leaf = min(word_leaf + 64, len(leaf_value))
        for begin in range(np.uint64(0), np.uint64(n_rows), size):
            for number in range(n_inputs):
                base, at = np.uint64(first_row[number]), np.uint64(number) * size
                for i in range(size):
                    open_leaves[at + i] = column_of_word[base + codes[number, begin + i]]
            for leaf in range(word_leaf, last_leaf):
                first, last = link_offset[leaf], link_offset[leaf + 1]
                rule_at, rule_end = rule_offset[last - first], rule_offset[last - first + 1]
                for link in range(first, last):
                    _prepare_link(
                        link_zero[link],
                        points[rule_at:rule_end],
                        weights[rule_at:rule_end],
                        constants[link - first],
                    )
                _explain_leaf(
                    open_leaves,
                    size,
                    np.uint64(1) << np.uint64(leaf & 63),
                    leaf_value[leaf],
                    link_input[first:last],
                    link_column[first:last],
                    constants,
                    max(rule_end - rule_at, 2),
                    scratch,
                    out.reshape(-1)[leaf_column[leaf] * n_rows :],
                    begin,
                )
