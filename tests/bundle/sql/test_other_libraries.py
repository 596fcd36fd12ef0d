"""Trees of other libraries than LightGBM, and wide models, as SQL."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Column, Contract
from churnkit.errors import RecipeError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import LinearScorer
from churnkit.trees import compile_catboost, compile_sklearn, compile_xgboost

BORDER_AT_ZERO = {
    "oblivious_trees": [
        {
            "splits": [{"split_type": "FloatFeature", "float_feature_index": 0, "border": 0.0}],
            "leaf_values": [1.5, -0.5],
            "leaf_weights": [30, 70],
        }
    ],
    "scale_and_bias": [1, [0.25]],
    "features_info": {"float_features": [{"nan_value_treatment": "AsIs"}]},
}


def model_of(scorer, names):
    columns = [Column("id", "string", ("entity",))]
    columns += [Column(name, "number", ("feature",), nullable=True) for name in names]
    contract = Contract("shop", tuple(columns))
    return RetentionModel(ModelContents(contract, scorer, Calibration.identity()))


def assert_equal(model, rows):
    table = {"id": [str(number) for number in range(len(rows))]}
    names = [column.name for column in model.contract.features]
    table |= {
        name: pa.array(column, from_pandas=True) for name, column in zip(names, rows.T, strict=True)
    }
    customers = pa.table(table)
    with duckdb.connect() as connection:
        connection.register("customers", customers)
        result = connection.sql(model.to_sql("duckdb")).to_arrow_table()
    expected = model.predict(customers)["churn_probability"].to_pylist()
    assert result["churn_probability"].to_pylist() == expected


def test_tiny_numbers_are_compared_as_the_library_does():
    model = model_of(compile_catboost(BORDER_AT_ZERO, n_features=1), ["visits"])
    rows = np.array([[0.0], [1e-40], [-1e-40], [1e-36], [-1e-36], [1e-30], [2.0], [np.nan]])
    assert_equal(model, rows)
    scores = model.contents.scorer.raw_score(rows)
    assert scores[0] != scores[1]


@pytest.mark.filterwarnings("ignore")
def test_categories_of_histogram_boosting_and_their_blanks():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 12, 3000), rng.normal(size=3000)]).astype(float)
    X[rng.random(X.shape) < 0.1] = np.nan
    logit = np.where(np.isnan(X[:, 0]), 2.0, np.sin(X[:, 0])) + np.nan_to_num(X[:, 1])
    y = rng.random(3000) < 1 / (1 + np.exp(-logit))
    booster = HistGradientBoostingClassifier(
        categorical_features=[0], max_iter=20, random_state=0
    ).fit(X, y)
    model = model_of(compile_sklearn(booster), ["plan", "spend"])
    odd = np.array([[-0.5, 0.0], [3.5, 0.0], [99.0, 0.0], [-1.0, 0.0], [np.nan, np.nan]])
    assert_equal(model, np.concatenate([X[:500], odd]))


def test_a_model_of_1200_columns_is_not_too_deep_for_duckdb():
    width = 1_200
    rng = np.random.default_rng(0)
    scorer = LinearScorer.straight(
        bias=0.1, coefficients=rng.normal(size=width) / 40, low=[-9] * width, high=[9] * width
    )
    assert_equal(model_of(scorer, [f"c{n}" for n in range(width)]), rng.normal(size=(5, width)))


def test_scores_in_single_precision_are_refused():
    tree = {
        "left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0],
        "split_conditions": [3.5, 1.0, -1.0], "split_type": [0, 0, 0], "default_left": [0, 0, 0],
        "sum_hessian": [3.0, 2.0, 1.0], "tree_param": {"size_leaf_vector": "1"},
    }  # fmt: skip
    learner = {
        "learner_model_param": {"base_score": "5E-1", "num_feature": "1", "num_class": "0"},
        "objective": {"name": "binary:logistic"},
        "gradient_booster": {"name": "gbtree", "model": {"tree_info": [0], "trees": [tree]}},
    }
    model = model_of(compile_xgboost({"learner": learner}), ["visits"])
    with pytest.raises(RecipeError, match="single precision"):
        model.to_sql("duckdb")
