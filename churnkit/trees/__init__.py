"""Compiled trees: score and explain LightGBM, XGBoost and scikit-learn models without them."""

from churnkit.trees.compiled import CompiledTrees, compile_booster
from churnkit.trees.parsing.scikit_learn import compile_forest, compile_sklearn
from churnkit.trees.parsing.xgboost import compile_xgboost

__all__ = [
    "CompiledTrees",
    "compile_booster",
    "compile_forest",
    "compile_sklearn",
    "compile_xgboost",
]
