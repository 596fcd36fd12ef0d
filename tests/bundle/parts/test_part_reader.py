"""Optional parts of a bundle are read and checked in one way."""

import numpy as np
import pytest

from churnkit.bundle.parts.part_reader import check_part, read_document
from churnkit.errors import BundleError

GOLDEN = np.array([[1.0, 2.0], [3.0, 4.0]])


def total(rows):
    return rows.sum(axis=1)


def test_a_part_that_the_bundle_lacks_is_none():
    assert read_document("part.json", {}, {}) is None
    assert read_document("part.json", {"part.json": b'{"a": 1}'}, {}) == {"a": 1}


@pytest.mark.parametrize(
    ("files", "message"),
    [({}, r"the bundle lacks part\.json"), ({"part.json": b"[1]"}, "is not a JSON object")],
)
def test_a_damaged_document_is_refused(files, message):
    with pytest.raises(BundleError, match=message):
        read_document("part.json", files, {"a": np.ones(1)})


def test_a_part_that_computes_as_before_is_accepted():
    check_part("the part", 2, total, {"golden": total(GOLDEN)}, features=2, golden=GOLDEN)
    check_part("the part", 2, total, {}, features=2, golden=None)


@pytest.mark.parametrize(
    ("read", "stored", "message"),
    [
        (3, total(GOLDEN), "the part reads 3 columns, the contract encodes 2"),
        (2, total(GOLDEN) + 1e-9, "the part does not score the golden rows"),
        (2, total(GOLDEN)[:1], "the part does not score the golden rows"),
        (2, np.empty(0), "the part does not score the golden rows"),
    ],
)
def test_a_part_of_other_columns_or_scores_is_refused(read, stored, message):
    with pytest.raises(BundleError, match=message):
        check_part("the part", read, total, {"golden": stored}, features=2, golden=GOLDEN)
