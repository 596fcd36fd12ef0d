"""Tables and recipes that training refuses, by column, rule and count."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

from churnkit.errors import ChurnkitError, DataError, RecipeError
from churnkit.pipeline import train


class TestRefusals:
    """Tables that cannot be trained on, each with its column, rule and count."""

    @pytest.fixture
    def refuse(self, recipe_of, make_shop, tmp_path, rows_of_shop):
        def refuse(change, kind=DataError):
            rows = rows_of_shop(60)
            change(rows)
            project = make_shop(tmp_path, rows=rows)
            with pytest.raises(kind) as caught:
                train(recipe_of(project))
            text = str(caught.value)
            assert "canary" not in text
            return text

        return refuse

    def test_values_out_of_range_are_counted(self, refuse):
        def change(rows):
            for row in rows[3:6]:
                row["tenure_months"] = -77

        text = refuse(change)
        assert "column 'tenure_months' breaks ge(0) in 3 rows (rows 3, 4, 5)" in text
        assert "-77" not in text

    def test_every_broken_rule_is_listed(self, refuse):
        def change(rows):
            rows[0]["plan"] = "goldcanary"
            rows[1]["mrr"] = "inf"
            rows[2]["customer_id"] = rows[1]["customer_id"]

        text = refuse(change)
        for column in ("plan", "mrr", "customer_id"):
            assert f"column '{column}'" in text

    def test_a_missing_column_is_named(self, refuse):
        assert "column 'mrr' is missing" in refuse(lambda rows: [row.pop("mrr") for row in rows])

    def test_a_constant_label_is_refused(self, refuse):
        text = refuse(lambda rows: [row.update(churned=False) for row in rows])
        assert "'churned' has only one value" in text

    def test_too_few_churners_are_counted(self, refuse):
        def change(rows):
            for index, row in enumerate(rows):
                row["churned"] = index < 4

        text = refuse(change, ChurnkitError)
        assert "training customers left; at least 25 are needed" in text

    def test_an_estimator_of_another_library_is_refused(self, recipe_of, make_shop, tmp_path):
        from sklearn.linear_model import LogisticRegression

        project = make_shop(tmp_path)
        recipe = replace(recipe_of(project), model=LogisticRegression())
        with pytest.raises(RecipeError, match="LogisticRegression"):
            train(recipe, project=project)

    def test_an_error_in_a_recipes_data_is_reported_by_line_without_its_text(
        self, recipe_of, make_shop, tmp_path
    ):
        text = 'def read():\n    return int("a canary")\n\n\nrecipe = Recipe(Shop, read)\n'
        head = "from churnkit.pipeline import Recipe\nfrom schemas.shop import Shop\n\n"
        project = make_shop(tmp_path, recipe=head + text)
        with pytest.raises(RecipeError) as caught:
            train(recipe_of(project))
        assert "ValueError, in shop.py line 5" in str(caught.value)
        assert "canary" not in str(caught.value)

    def test_a_table_that_is_not_there_is_named(self, recipe_of, make_shop, tmp_path):
        project = make_shop(tmp_path)
        with pytest.raises(ChurnkitError, match=r"none\.csv does not exist"):
            train(replace(recipe_of(project), data="none.csv"), project=project)
