import numpy as np
import pytest

from churnkit.trees import compile_booster
from churnkit.trees.input_matrix import as_matrix


@pytest.fixture(scope="module")
def trees(train):
    return compile_booster(train("binary"))


@pytest.fixture(scope="module")
def scores(trees, rows):
    return trees.raw_score(rows)


@pytest.mark.parametrize(
    "arrange",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=1)[:, ::2],
        lambda X: np.flipud(X)[::-1],
        lambda X: X.tolist(),
        lambda X: X.astype(object),
    ],
    ids=["fortran", "strided", "reversed", "lists", "objects"],
)
def test_rows_score_alike_however_they_lie(trees, rows, scores, arrange):
    np.testing.assert_array_equal(trees.raw_score(arrange(rows)), scores)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, np.uint16, bool])
def test_narrow_types_score_as_lightgbm_reads_them(trees, train, rows, dtype):
    X = np.nan_to_num(rows).astype(dtype)
    expected = train("binary").predict(X.astype(np.float64), raw_score=True)
    np.testing.assert_array_equal(trees.raw_score(X), expected)


def test_read_only_rows_are_read(trees, rows, scores):
    X = rows.copy()
    X.flags.writeable = False
    np.testing.assert_array_equal(trees.raw_score(X), scores)
    np.testing.assert_array_equal(X, rows)


def test_arrow_tables_score_with_nulls_as_missing(trees, rows, scores):
    arrow = pytest.importorskip("pyarrow")
    columns = [arrow.array(column, from_pandas=True) for column in rows.T]
    names = list(trees.feature_names)
    batch = arrow.RecordBatch.from_arrays(columns, names)
    assert batch.column(0).null_count > 0
    np.testing.assert_array_equal(trees.raw_score(batch), scores)
    table = arrow.Table.from_batches([batch.slice(0, 600), batch.slice(600)])
    np.testing.assert_array_equal(trees.raw_score(table), scores)
    np.testing.assert_array_equal(trees.contributions(table)[:5], trees.contributions(rows[:5]))


@pytest.mark.parametrize("fast", [pytest.param(True, id="numba"), pytest.param(False, id="numpy")])
def test_arrow_columns_of_any_numeric_type_score_alike(train, rows, fast):
    arrow = pytest.importorskip("pyarrow")
    if fast:
        pytest.importorskip("numba")
    trees = compile_booster(train("binary"), fast=fast)
    whole = np.nan_to_num(rows.round())
    types = [arrow.float32(), arrow.int64(), arrow.float64(), arrow.int8(), arrow.bool_()]
    types += [arrow.uint16(), arrow.decimal128(9, 2), arrow.null()]
    whole[:, 4], whole[:, 7] = whole[:, 4] > 0, np.nan
    columns = [
        arrow.nulls(len(rows)) if kind == arrow.null() else arrow.array(column).cast(kind)
        for kind, column in zip(types, whole.T, strict=True)
    ]
    table = arrow.Table.from_arrays(columns, list(trees.feature_names))
    np.testing.assert_array_equal(trees.raw_score(table), trees.raw_score(whole))
    few = table.slice(7, 20)
    np.testing.assert_array_equal(trees.raw_score(few), trees.raw_score(whole[7:27]))
    np.testing.assert_array_equal(trees.contributions(few), trees.contributions(whole[7:27]))
    np.testing.assert_array_equal(trees.leaf_indices(few), trees.leaf_indices(whole[7:27]))
    np.testing.assert_array_equal(
        trees.contributions(few, background=table.slice(0, 9)),
        trees.contributions(whole[7:27], background=whole[:9]),
    )
    np.testing.assert_array_equal(trees.interactions(few), trees.interactions(whole[7:27]))


def test_arrow_tables_without_rows_give_no_scores(trees):
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table({name: arrow.array([], arrow.float64()) for name in trees.feature_names})
    assert trees.predict(table).shape == (0,)


@pytest.mark.parametrize("kind", ["float64", "float32", "int32"])
def test_arrow_columns_without_nulls_are_read_where_they_lie(kind):
    arrow = pytest.importorskip("pyarrow")
    columns = [arrow.array(np.arange(50).astype(kind)) for _ in range(3)]
    table = arrow.Table.from_arrays(columns, ["a", "b", "c"])
    part = as_matrix(table, 3)[10:40][5:9]
    for number, column in enumerate(columns):
        assert (
            part[:, number].ctypes.data
            == column.buffers()[1].address + 15 * np.dtype(kind).itemsize
        )
    assert part.tolist() == [[value] * 3 for value in range(15, 19)]


def test_arrow_tables_with_another_number_of_columns_are_refused(trees):
    arrow = pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match=r"shape \(n, 8\), got \(2, 1\)"):
        trees.predict(arrow.table({"a": [1.0, 2.0]}))


def test_arrow_columns_that_are_no_numbers_are_refused_by_name(trees, rows):
    arrow = pytest.importorskip("pyarrow")
    names = list(trees.feature_names)
    columns = [arrow.array(column) for column in rows.T]
    columns[4] = arrow.array(["secret"] * len(rows))
    with pytest.raises(ValueError, match="Column_4") as refusal:
        trees.raw_score(arrow.Table.from_arrays(columns, names))
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("value", ["secret", 1j, np.datetime64("2026-01-01"), object()])
def test_values_that_are_no_numbers_are_refused_without_repeating_them(trees, value):
    with pytest.raises(ValueError, match="encode categories first") as refusal:
        trees.predict([[value] * 8])
    assert "secret" not in str(refusal.value)


def test_objects_among_numbers_are_refused_without_repeating_them(trees):
    with pytest.raises(ValueError, match="encode categories first") as refusal:
        trees.predict(np.array([[1.0] * 7 + ["secret"]], object))
    assert "secret" not in str(refusal.value)


def test_frames_of_numbers_score(trees, rows, scores):
    pandas = pytest.importorskip("pandas")
    np.testing.assert_array_equal(trees.raw_score(pandas.DataFrame(rows)), scores)


def test_no_rows_give_no_scores(trees):
    empty = np.empty((0, 8))
    assert trees.predict(empty).shape == (0,)
    assert trees.contributions(empty).shape == (0, 9)
    assert trees.leaf_indices(empty).shape == (0, trees.n_trees)


@pytest.mark.parametrize("shape", [(3, 7), (3, 9), (8,), (2, 2, 8)])
def test_another_number_of_columns_is_refused(trees, shape):
    with pytest.raises(ValueError, match=r"shape \(n, 8\)"):
        trees.predict(np.zeros(shape))


def test_a_row_of_another_length_is_refused(trees):
    with pytest.raises(ValueError, match="8 values"):
        trees.predict_row([1.0] * 7)


def test_a_row_of_a_multiclass_model_is_refused(train):
    with pytest.raises(ValueError, match="one output"):
        compile_booster(train("multiclass")).predict_row([0.0] * 8)


def test_a_row_may_be_a_tuple_or_an_array(trees, rows, scores):
    assert trees.predict_row(tuple(rows[3].tolist())) == scores[3]
    assert trees.predict_row(rows[3]) == scores[3]


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 1), (0, 99)])
def test_a_range_outside_the_trees_is_refused(trees, rows, start, end):
    with pytest.raises(ValueError, match="start_tree and end_tree"):
        trees.predict(rows, start_tree=start, end_tree=end)


def test_half_a_round_of_a_multiclass_model_is_refused(train, rows):
    with pytest.raises(ValueError, match="multiples of 4"):
        compile_booster(train("multiclass")).predict(rows, start_tree=2)
