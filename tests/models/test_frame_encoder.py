"""Frames of several libraries as the input of all estimators."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    estimator_checks_generator,
)

from churnkit.models import (
    ChurnClassifier,
    FrameEncoder,
    HazardModel,
    LightGBMTrees,
    LogisticModel,
    ModelDataError,
    SingleFeatureRule,
    UnknownCategoryWarning,
    UpliftModel,
)
from churnkit.models.value import ZeroInflatedLognormalValue

N = 240
RANDOM = np.random.default_rng(7)
PLAN = RANDOM.choice(["month", "year", "two years"], N)
FEE = np.where(RANDOM.random(N) < 0.1, np.nan, RANDOM.normal(50, 9, N))
SEATS = RANDOM.integers(1, 9, N)
IS_PAPERLESS = RANDOM.random(N) < 0.5
REGION = RANDOM.choice([7, 11, 90], N)
CHURNED = RANDOM.random(N) < np.where(PLAN == "month", 0.6, 0.2)
LEVELS = ("month", "two years", "year")


def pandas_frame():
    return pd.DataFrame(
        {
            "plan": PLAN,
            "fee": FEE,
            "seats": pd.array([None, *SEATS[1:]], dtype="Int64"),
            "paperless": pd.array([None, *IS_PAPERLESS[1:]], dtype="boolean"),
            "region": pd.Categorical(REGION),
        }
    )


def matrix():
    """The same table by hand, independent of the encoder."""
    columns = [
        [LEVELS.index(plan) for plan in PLAN],
        FEE,
        [np.nan, *SEATS[1:]],
        [np.nan, *IS_PAPERLESS[1:]],
        [(7, 11, 90).index(region) for region in REGION],
    ]
    return np.array(columns, dtype=float).T


def arrow_table():
    return pa.table(
        {
            "plan": pa.array(PLAN.tolist()).dictionary_encode(),
            "fee": pa.array(FEE, from_pandas=True),
            "seats": pa.array([None, *SEATS[1:].tolist()]),
            "paperless": pa.array([None, *IS_PAPERLESS[1:].tolist()]),
            "region": pa.array(REGION).dictionary_encode(),
        }
    )


def polars_frame():
    polars = pytest.importorskip("polars")
    return polars.from_arrow(arrow_table().set_column(4, "region", [REGION.tolist()]))


FRAMES = {
    "pandas": (pandas_frame, None),
    "arrow": (arrow_table, None),
    "polars": (polars_frame, ["region"]),
    "lazy polars": (lambda: polars_frame().lazy(), ["region"]),
    "rows": (lambda: polars_frame().to_dicts(), ["region"]),
}


@pytest.fixture(params=FRAMES)
def frame(request):
    make, declared = FRAMES[request.param]
    return make(), declared


def test_every_library_gives_the_matrix_that_was_encoded_by_hand(frame):
    table, declared = frame
    encoder = FrameEncoder(categorical_features=declared).fit(table)
    np.testing.assert_array_equal(encoder.transform(table), matrix())
    assert encoder.categories_ == {0: LEVELS, 4: (7.0, 11.0, 90.0)}
    assert encoder.feature_names_in_.tolist() == ["plan", "fee", "seats", "paperless", "region"]


ESTIMATORS = {
    "LogisticModel": LogisticModel(C=1.0),
    "LightGBMTrees": LightGBMTrees(rounds=5),
    "SingleFeatureRule": SingleFeatureRule(),
    "ChurnClassifier": ChurnClassifier(
        candidates=[("logistic", LogisticModel(C=1.0)), ("trees", LightGBMTrees(rounds=5))], cv=2
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_classifier_on_a_frame_is_the_one_on_the_encoded_matrix(name, frame):
    table, declared = frame
    on_frame = clone(ESTIMATORS[name]).set_params(categorical_features=declared)
    on_matrix = clone(ESTIMATORS[name]).set_params(categorical_features=(0, 4))
    expected = on_matrix.fit(matrix(), CHURNED).predict_proba(matrix())
    on_frame.fit(table, CHURNED)
    np.testing.assert_array_equal(on_frame.predict_proba(table), expected)
    assert on_frame.feature_names_in_[4] == "region"


def test_other_estimators_on_a_frame_are_those_on_the_encoded_matrix():
    table, encoded, categories = pandas_frame(), matrix(), (0, 4)
    duration = RANDOM.integers(1, 9, N)
    hazard = HazardModel(rounds=5, horizon=4.0)
    expected = clone(hazard).set_params(categorical_features=categories)
    expected.fit(encoded, duration, CHURNED)
    np.testing.assert_array_equal(
        hazard.fit(table, duration, CHURNED).predict(table), expected.predict(encoded)
    )
    spend = np.where(RANDOM.random(N) < 0.5, 0.0, RANDOM.lognormal(size=N))
    value = ZeroInflatedLognormalValue(cv=2, max_rounds=5)
    expected = clone(value).set_params(categorical_features=categories).fit(encoded, spend)
    np.testing.assert_array_equal(value.fit(table, spend).predict(table), expected.predict(encoded))
    arm = np.arange(N) % 2
    uplift = UpliftModel("t", rounds=5, pairs=1, folds=2)
    expected = clone(uplift).set_params(categorical_features=categories)
    expected.fit(encoded, CHURNED, treatment=arm)
    uplift.fit(table, CHURNED, treatment=arm)
    np.testing.assert_array_equal(uplift.predict(table), expected.predict(encoded))


def test_a_candidate_names_its_own_categories():
    candidates = [("logistic", LogisticModel(C=1.0, categorical_features=["plan"]))]
    model = ChurnClassifier(candidates=candidates, cv=2).fit(pandas_frame(), CHURNED)
    member: Any = model.members_["logistic"]
    assert member.categorical_features == (0,)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pd.date_range("2024-01-01", periods=N), "'since' is a date: replace it by a number"),
        (pd.period_range("2024-01", periods=N, freq="M"), "'since' is a date"),
        ([dt.date(2024, 1, 1)] * N, "'since' is a date"),
        (
            pd.Series([dt.time(12, 30)] * N, dtype=pd.ArrowDtype(pa.time64("us"))),
            "'since' is a time of day",
        ),
        ([dt.time(12, 30)] * N, "'since' has values that are neither numbers nor text"),
        (["2024-01-31", "2024-02-29"] * (N // 2), "'since' holds dates written as text"),
        ([f"{number / 7:.2f}" for number in range(N)], "'since' holds numbers written as text"),
        ([f"C-{number}" for number in range(N)], "'since' has 240 different texts in 240 rows"),
        ([[1, 2]] * N, "'since' has values that are neither numbers nor text"),
        (
            pd.Series([[1]] * N, dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
            "'since' has the type list",
        ),
    ],
)
def test_a_column_that_cannot_be_used_is_refused_by_name(column, reason):
    table = pandas_frame().assign(since=column)
    with pytest.raises(ModelDataError, match=reason) as refused:
        LogisticModel(C=1.0).fit(table, CHURNED)
    assert "2024" not in str(refused.value)
    if "categorical_features" in str(refused.value):
        LogisticModel(C=1.0, categorical_features=["since"]).fit(table, CHURNED)


def test_all_refused_columns_are_named_at_once():
    table = pandas_frame().assign(
        first=pd.Timestamp("2024-01-01"), last=pd.Timestamp("2024-01-01", tz="UTC")
    )
    with pytest.raises(ModelDataError, match=r"'first' is a date.*; column 'last' is a date"):
        FrameEncoder().fit(table)


def test_durations_are_days_and_decimals_are_numbers():
    table = pd.DataFrame(
        {
            "tenure": pd.to_timedelta([36, 48, None], unit="h"),
            "fee": [Decimal("9.50"), None, Decimal(8)],
        }
    )
    np.testing.assert_array_equal(
        FrameEncoder().fit_transform(table), [[1.5, 9.5], [2.0, np.nan], [np.nan, 8.0]]
    )


def test_unknown_categories_count_as_missing_with_a_warning():
    model = LogisticModel(C=1.0).fit(pandas_frame(), CHURNED)
    rows = pandas_frame().head(3)
    other = rows.assign(plan=["month", "weekly", None])
    with pytest.warns(UnknownCategoryWarning, match=r"'plan' in 1 of 3 rows") as warned:
        probability = model.predict_proba(other)[:, 1]
    assert "weekly" not in str(warned[0].message)
    expected = model.predict_proba(rows.assign(plan=["month", None, None]))[:, 1]
    np.testing.assert_array_equal(probability, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[frame.columns[::-1]], "must be in the same order as they were in fit"),
        (lambda frame: frame.drop(columns="fee"), "yet now missing:\n- fee"),
        (lambda frame: frame.assign(age=1), "unseen at fit time:\n- age"),
        (lambda frame: frame.assign(fee="high"), "'fee' has the kind text, but had numbers"),
        (lambda frame: frame.assign(plan=1.0), "'plan' has numbers as categories, but had text"),
        (
            lambda frame: frame.assign(region="7"),
            "'region' has text as categories, but had numbers",
        ),
        (lambda frame: frame.assign(fee=np.inf), "infinity"),
        (lambda frame: matrix(), "trained on a frame with categories, such as column 'plan'"),
    ],
)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_other_columns_than_in_training_are_refused(change, message):
    model = LogisticModel(C=1.0).fit(pandas_frame(), CHURNED)
    with pytest.raises(ModelDataError, match=message):
        model.predict_proba(change(pandas_frame()))


def test_missing_values_at_predict_keep_their_column():
    model = LogisticModel(C=1.0).fit(pandas_frame(), CHURNED)
    empty = pandas_frame().assign(plan=None, fee=None)
    encoded = matrix()
    encoded[:, :2] = np.nan
    expected = LogisticModel(C=1.0, categorical_features=(0, 4)).fit(matrix(), CHURNED)
    np.testing.assert_array_equal(model.predict_proba(empty), expected.predict_proba(encoded))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_an_array_of_objects_is_encoded_by_position():
    model = LogisticModel(C=1.0).fit(pandas_frame(), CHURNED)
    objects = pandas_frame().astype(object).to_numpy()
    np.testing.assert_array_equal(model.predict_proba(objects), model.predict_proba(pandas_frame()))


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (["town"], "columns that X lacks: 'town'"),
        ([9], "column indices from 0 to 4"),
        ([True, False], "mask of 2 values for 5 columns"),
    ],
)
def test_a_categorical_feature_that_does_not_exist_is_refused(declared, message):
    with pytest.raises(ModelDataError, match=message):
        LogisticModel(categorical_features=declared).fit(pandas_frame(), CHURNED)
    with pytest.raises(ModelDataError, match="matrix without column names"):
        LogisticModel(categorical_features=["plan"]).fit(matrix(), CHURNED)


def test_names_positions_and_masks_declare_the_same_columns():
    table = pandas_frame().assign(region=REGION)
    expected = LogisticModel(C=1.0, categorical_features=["region"]).fit(table, CHURNED)
    for declared in ([4], (True, False, False, False, True), np.array([4]).tolist()):
        model = LogisticModel(C=1.0, categorical_features=declared).fit(table, CHURNED)
        np.testing.assert_array_equal(model.predict_proba(table), expected.predict_proba(table))


@pytest.mark.parametrize(
    "label",
    [
        pd.Series(np.where(CHURNED, "Yes", "No")),
        pd.Series(CHURNED, dtype="boolean"),
        pd.Series(np.where(CHURNED, "Yes", "No"), dtype="category"),
        pa.array(CHURNED),
        pa.chunked_array([pa.array(CHURNED.astype(int))]),
    ],
)
def test_labels_of_any_column_type_are_read(label):
    expected = LogisticModel(C=1.0).fit(pandas_frame(), CHURNED).predict_proba(pandas_frame())
    model = LogisticModel(C=1.0).fit(pandas_frame(), label)
    np.testing.assert_array_equal(model.predict_proba(pandas_frame()), expected)


def test_a_missing_label_is_refused_with_its_count():
    label = pd.Series([None, *CHURNED[1:]], dtype="boolean")
    with pytest.raises(ModelDataError, match="missing in 1 rows"):
        LogisticModel().fit(pandas_frame(), label)


@pytest.mark.parametrize("make", [pandas_frame, polars_frame, arrow_table])
def test_search_and_cross_validation_select_rows_of_a_frame(make):
    if make is arrow_table and tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9):
        pytest.skip("this scikit-learn selects no rows of Arrow tables")
    table = make()
    search = GridSearchCV(LogisticModel(categorical_features=["region"]), {"C": [0.1, 1.0]}, cv=2)
    search.fit(table, CHURNED)
    assert search.best_estimator_.feature_names_in_[0] == "plan"
    held_out = cross_val_predict(search.best_estimator_, table, CHURNED, cv=2)
    assert held_out.shape == (N,)


def test_a_pipeline_passes_frames_and_their_names_on():
    drop = FunctionTransformer(lambda frame: frame.drop(columns="fee"))
    model = make_pipeline(drop, SingleFeatureRule()).fit(pandas_frame(), CHURNED)
    assert model[-1].feature_names_in_.tolist() == ["plan", "seats", "paperless", "region"]
    assert "plan is month" in model[-1].describe()


def test_the_output_of_the_encoder_has_the_container_that_was_set():
    encoder = FrameEncoder().set_output(transform="pandas").fit(pandas_frame())
    encoded: Any = encoder.transform(pandas_frame())
    assert encoded.columns.tolist() == encoder.get_feature_names_out().tolist()
    parts = make_column_transformer((FrameEncoder(), ["plan", "fee"])).fit(pandas_frame())
    assert parts.get_feature_names_out().tolist() == ["frameencoder__plan", "frameencoder__fee"]


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_weights_are_routed_through_a_search():
    weight = RANDOM.random(N)
    model = LogisticModel().set_fit_request(sample_weight=True)
    model.set_score_request(sample_weight=True)
    search = GridSearchCV(model, {"C": [1.0]}, cv=2)
    search.fit(pandas_frame(), CHURNED, sample_weight=weight)
    expected = LogisticModel(C=1.0).fit(pandas_frame(), CHURNED, weight)
    np.testing.assert_array_equal(
        search.predict_proba(pandas_frame()), expected.predict_proba(pandas_frame())
    )


@pytest.mark.usefixtures("routing")
def test_treatments_are_routed_through_a_search():
    arm = np.arange(N) % 2
    model = UpliftModel(rounds=3, pairs=1, folds=2, num_leaves=4)
    model.set_fit_request(treatment=True).set_score_request(treatment=True)
    search = GridSearchCV(model, {"learner": ["s", "t"]}, cv=2)
    search.fit(pandas_frame(), CHURNED, treatment=arm)
    expected = UpliftModel(search.best_params_["learner"], rounds=3, pairs=1, folds=2, num_leaves=4)
    expected.fit(pandas_frame(), CHURNED, treatment=arm)
    np.testing.assert_array_equal(search.predict(pandas_frame()), expected.predict(pandas_frame()))


@pytest.mark.usefixtures("routing")
def test_events_are_routed_through_pipelines_and_searches():
    duration = RANDOM.integers(1, 9, N)
    hazard = HazardModel(rounds=3, horizon=4.0).set_fit_request(event=True)
    hazard.set_score_request(event=True)
    expected = clone(hazard).fit(pandas_frame(), duration, CHURNED).predict(pandas_frame())
    model = make_pipeline(FunctionTransformer(), hazard)
    model.fit(pandas_frame(), duration, event=CHURNED)
    np.testing.assert_array_equal(model.predict(pandas_frame()), expected)
    search = GridSearchCV(hazard, {"num_leaves": [8]}, cv=2)
    search.fit(pandas_frame(), duration, event=CHURNED)
    np.testing.assert_array_equal(search.predict(pandas_frame()), expected)
    assert 0.0 < search.best_score_ < 1.0


CHECKS = [
    pytest.param(estimator, check, id=check.func.__name__ + str(check.keywords))
    for estimator, check in estimator_checks_generator(FrameEncoder())
    # It runs only where SCIPY_ARRAY_API is set; no claim is made on that support.
    if check.func.__name__ != "check_array_api_input"
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_check_of_the_encoder_passes(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "estimator", [FrameEncoder(), *ESTIMATORS.values()], ids=["FrameEncoder", *ESTIMATORS]
)
def test_names_of_columns_are_checked_as_in_scikit_learn(estimator):
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)
