"""Compiled trees: score and explain LightGBM models without lightgbm."""

from churnkit.trees.compiled import CompiledTrees, compile_booster

__all__ = ["CompiledTrees", "compile_booster"]
