"""The recipe of a project."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def recipe_of():
    from churnkit.pipeline import load_recipe

    def recipe_of(project, name="shop"):
        return load_recipe(project.root / "training" / f"{name}.py")

    return recipe_of
