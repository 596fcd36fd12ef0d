"""Arguments of the kernels for single rows."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from churnkit.trees import CompiledTrees, compile_booster
from churnkit.trees.engines.kernel_arguments import pack_row_arguments


@pytest.fixture(scope="module")
def narrow(train):
    return compile_booster(train("hundreds of categories"))


@pytest.fixture(scope="module")
def wide(narrow):
    """The same trees, whose last set of categories also has category 3,199,999 or more."""
    settings, arrays = narrow.to_arrays()
    size = 100_000
    offset = arrays["category_offset"].copy()
    offset[-1] += size
    more = np.zeros(size, np.uint32)
    more[-1] = 2**31
    words = np.concatenate([arrays["category_words"], more])
    changed = {"category_offset": offset, "category_words": words}
    return CompiledTrees.from_arrays(settings, arrays | changed)


def test_the_classes_of_a_wide_category_are_packed_in_about_their_own_size(wide):
    layout = wide.layout
    classes = [source.class_of for source in layout.binning.inputs if hasattr(source, "class_of")]
    assert max(map(len, classes)) >= 3_200_000
    pack_row_arguments(layout)  # derives the arrays that it packs
    tracemalloc.start()
    arguments = pack_row_arguments(layout)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert arguments.integers.dtype == np.int32
    assert peak < 1.5 * (arguments.integers.nbytes + arguments.numbers.nbytes)


def test_a_wide_category_does_not_change_the_scores_of_others(narrow, wide, rows):
    pytest.importorskip("numba")
    wide.warm_up()
    expected = narrow.raw_score(rows[:50])
    np.testing.assert_array_equal([wide.raw_score_row(r) for r in rows[:50].tolist()], expected)
