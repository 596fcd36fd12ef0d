"""On real customers: the fast profile is already as good as it must be."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedKFold

from churnkit.evaluation import auc, calibration_error, compare
from churnkit.models import ChurnClassifier, SingleFeatureRule

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def telco(data_dir):
    frame = pd.read_csv(data_dir / "telco" / "Telco-Customer-Churn.csv")
    churned = (frame.pop("Churn") == "Yes").to_numpy().astype(int)
    frame = frame.drop(columns="customerID")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    categories = []
    for at, name in enumerate(frame.columns):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = pd.Categorical(frame[name]).codes
            categories.append(at)
    return frame, churned, tuple(categories)


@pytest.fixture(scope="module")
def telco_probability(telco):
    frame, churned, categories = telco
    X = frame.to_numpy(float)
    probability = np.empty(len(churned))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(X, churned):
        model = ChurnClassifier("fast", cv=3, categorical_features=categories)
        probability[test] = model.fit(X[train], churned[train]).predict_proba(X[test])[:, 1]
    return probability


def test_telco_is_ranked_and_calibrated(telco, telco_probability):
    _, churned, _ = telco
    assert auc(churned, telco_probability) >= 0.847
    assert calibration_error(churned, telco_probability) <= 0.02


def test_telcos_best_rule_reads_the_contract_and_loses(telco, telco_probability):
    frame, churned, categories = telco
    rule = SingleFeatureRule(categorical_features=categories).fit(frame.to_numpy(float), churned)
    assert frame.columns[rule.feature_] == "Contract"
    said = rule.describe(frame.columns, levels={rule.feature_: ["monthly", "1 year", "2 years"]})
    assert said == "Churn is 43% where Contract is monthly, and 3% where it is 2 years."
    by_rule = rule.predict_proba(frame.to_numpy(float))[:, 1]
    assert compare(churned, telco_probability, by_rule, seed=0).verdict == "better"
