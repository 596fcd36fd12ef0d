"""Compiled trees: score and explain LightGBM and scikit-learn models without either."""

from churnkit.trees.compiled import CompiledTrees, compile_booster
from churnkit.trees.parsing.scikit_learn import compile_forest, compile_sklearn

__all__ = ["CompiledTrees", "compile_booster", "compile_forest", "compile_sklearn"]
