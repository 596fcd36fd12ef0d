"""Score any LightGBM model, and say why, without lightgbm: compiled trees."""

from churnkit.trees.compiled import CompiledTrees, compile_booster

__all__ = ["CompiledTrees", "compile_booster"]
