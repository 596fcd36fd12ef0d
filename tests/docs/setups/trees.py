import json
from pathlib import Path

import lightgbm
import numpy as np
from sklearn.ensemble import RandomForestClassifier

from churnkit.trees import CompiledTrees


def names(_reader):
    X = np.random.default_rng(0).normal(size=(400, 3))
    data = lightgbm.Dataset(X, (X[:, 0] > 0).astype(int))
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings, data, num_boost_round=5)
    booster.save_model("model.txt")
    stored = Path(__file__).parents[2] / "trees" / "parsing" / "xgboost_models.json"
    case = json.loads(stored.read_text(encoding="utf-8"))["binary:logistic"][0]
    forest = RandomForestClassifier(5, random_state=0).fit(X, X[:, 0] > 0)
    names = {"X": X, "booster": booster, "forest": forest, "CompiledTrees": CompiledTrees}
    yield {**names, "document": case["model"], "rows": np.array(case["rows"], float)}
