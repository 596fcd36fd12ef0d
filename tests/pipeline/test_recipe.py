from __future__ import annotations

import pytest

from churnkit.errors import RecipeError
from churnkit.pipeline import load_recipe

HEAD = "from churnkit.pipeline import Recipe\n"


@pytest.fixture
def write(tmp_path):
    def write(text, *, project="one", schema=None):
        folder = tmp_path / project
        (folder / "training").mkdir(parents=True, exist_ok=True)
        if schema is not None:
            (folder / "schemas").mkdir(exist_ok=True)
            (folder / "schemas" / "table.py").write_text(schema)
        file = folder / "training" / "churn.py"
        file.write_text(text)
        return file

    return write


def test_a_recipe_is_named_after_its_file(write):
    file = write(HEAD + "recipe = Recipe(schema=None, data='x.csv')\n")
    recipe = load_recipe(file)
    assert recipe.name == "churn"
    assert recipe.path == file


def test_one_recipe_under_two_names_is_one(write):
    text = HEAD + "recipe = Recipe(schema=None, data='x.csv')\nsame = recipe\n"
    assert load_recipe(write(text)).name == "churn"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "declares 0 recipes"),
        (HEAD + "a = Recipe(None, 'a')\nb = Recipe(None, 'b')\n", "declares 2 recipes"),
        (HEAD + "\nrecipe = Recipe(no_such)\n", "NameError: name 'no_such'.* line 3"),
        ("import no_such_package\n", "No module named 'no_such_package'"),
        ("recipe = (\n", "SyntaxError"),
        ("raise ValueError('a canary')\n", "ValueError, in churn.py line 1"),
        ("import sys\nsys.exit(0)\n", "SystemExit, in churn.py line 2"),
        (
            HEAD + "from churnkit.pipeline import PromotionGate\nPromotionGate('no')\n",
            "gate: metric must be one of",
        ),
        (
            HEAD + "recipe = Recipe(None, {'events': 'canary.csv'})\n",
            "a function that returns a table, got a dict: with a timeline, write a function",
        ),
        (HEAD + "from churnkit.pipeline import Split\nSplit(1.5)\n", "split: test must be above 0"),
    ],
)
def test_a_file_that_declares_no_recipe_is_refused(write, text, message):
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(write(text))
    assert "canary" not in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="no recipe at"):
        load_recipe(tmp_path / "none.py")


def test_two_projects_in_one_process_keep_their_own_schemas(write):
    text = HEAD + "from schemas.table import NAME\nrecipe = Recipe(schema=NAME, data='x.csv')\n"
    one = write(text, project="one", schema="NAME = 'first'\n")
    two = write(text, project="two", schema="NAME = 'second'\n")
    assert load_recipe(one).schema == "first"
    assert load_recipe(two).schema == "second"
    assert load_recipe(one).schema == "first"
