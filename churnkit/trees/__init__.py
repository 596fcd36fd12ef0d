"""Compiled trees: score and explain LightGBM, XGBoost, CatBoost and scikit-learn models."""

from churnkit.trees.compiled import CompiledTrees, compile_booster
from churnkit.trees.parsing.catboost import compile_catboost
from churnkit.trees.parsing.scikit_learn import compile_forest, compile_sklearn
from churnkit.trees.parsing.xgboost import compile_xgboost

__all__ = [
    "CompiledTrees",
    "compile_booster",
    "compile_catboost",
    "compile_forest",
    "compile_sklearn",
    "compile_xgboost",
]
