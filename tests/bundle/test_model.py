"""A loaded model: the same answers as the one that was saved, through every kind of table."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.bundle.contents import from_files, to_files
from churnkit.bundle.format.manifest import write_folder
from churnkit.errors import BundleError, DataError, RecipeError
from churnkit.models import VennAbers


def sigmoid(raw):
    return 1.0 / (1.0 + np.exp(-raw))


class TestRoundTrip:
    """Saved, loaded, saved again."""

    def test_the_loaded_model_predicts_the_same_to_the_last_bit(self, parts, model, customers):
        before = RetentionModel(parts).predict(customers)
        assert model.predict(customers) == before

    def test_the_digest_stays(self, model, tmp_path):
        again = model.save(tmp_path / "again")
        assert again.digest == model.digest
        assert again.name == "shop"
        assert RetentionModel.load(tmp_path / "again").digest == model.digest

    def test_files_become_parts_and_the_same_files(self, parts):
        files = to_files(parts)
        assert to_files(from_files(files)) == files

    def test_the_texts_of_boosters_are_carried_along(self, model):
        assert model.contents.texts == {"first_tree": "a tree in words\n"}

    def test_a_trained_model_keeps_its_digest_and_scores(self, shop_model, rows_of_shop, tmp_path):
        rows = rows_of_shop(30, seed=4)
        shop_model.save(tmp_path / "again")
        again = RetentionModel.load(tmp_path / "again")
        assert again.digest == shop_model.digest
        assert again.predict(rows) == shop_model.predict(rows)
        assert again.explain(rows) == shop_model.explain(rows)
        assert again.recommend(rows) == shop_model.recommend(rows)


class TestVerifiedNonsense:
    """Files that are vouched for and still do not make a model: refused, never run."""

    @pytest.fixture
    def load(self, parts, tmp_path):
        def load(**changes):
            files = dict(to_files(parts))
            for name, content in changes.items():
                name = name.replace("__", "/").replace("_DOT_", ".")  # noqa: PLW2901
                if content is None:
                    del files[name]
                else:
                    files[name] = content
            write_folder(tmp_path / "odd", files, name="odd", lineage={})
            return RetentionModel.load(tmp_path / "odd")

        return load

    @pytest.mark.parametrize("name", ["contract.json", "scorer.json", "card.json"])
    @pytest.mark.parametrize(
        "content", [None, b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'"x"', b"1e999"]
    )
    def test_a_document_that_is_none(self, load, name, content):
        if name == "card.json" and content == b"{}":
            assert load(card_DOT_json=content).card == {}
            return
        with pytest.raises(BundleError):
            load(**{name.replace(".", "_DOT_"): content})

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x93NUMPY",
            b"\x80\x04K\x01.",
            b"PK\x03\x04",
            b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,)}"
            + b" " * 40
            + b"\n",
        ],
    )
    def test_an_array_that_is_none(self, load, parts, content):
        name = next(file for file in to_files(parts) if file.startswith("scorer/"))
        with pytest.raises(BundleError):
            load(**{name.replace("/", "__").replace(".", "_DOT_"): content})

    def test_a_pickled_array_is_not_unpickled(self, load, tmp_path):
        import io

        stream = io.BytesIO()

        class Harm:
            def __reduce__(self):
                return (open, (str(tmp_path / "harm"), "w"))

        np.save(stream, np.array([Harm()], dtype=object), allow_pickle=True)
        with pytest.raises(BundleError):
            load(golden__rows_DOT_npy=stream.getvalue())
        assert not (tmp_path / "harm").exists()

    def test_golden_rows_that_score_otherwise(self, parts, tmp_path):
        files = dict(to_files(parts))
        files["golden/probability.npy"] = _npy(np.array([0.5, 0.25]))
        write_folder(tmp_path / "odd", files, name="odd", lineage={})
        with pytest.raises(BundleError, match="golden rows do not score as they did"):
            RetentionModel.load(tmp_path / "odd")

    def test_golden_rows_of_another_width(self, load):
        with pytest.raises(BundleError, match="golden rows do not fit"):
            load(golden__rows_DOT_npy=_npy(np.zeros((2, 9))))

    def test_a_scorer_for_other_columns(self, parts, tmp_path):
        from dataclasses import replace

        columns = tuple(column for column in parts.contract.columns if column.name != "tenure")
        contract = type(parts.contract)("shop", columns)
        odd = replace(parts, contract=contract, golden=None)
        write_folder(tmp_path / "odd", to_files(odd), name="odd", lineage={})
        with pytest.raises(BundleError, match="reads 3 columns, the contract encodes 2"):
            RetentionModel.load(tmp_path / "odd")

    def test_a_listed_file_of_an_unknown_kind(self, load):
        with pytest.raises(BundleError, match=r"unknown file extra\.json"):
            load(extra_DOT_json=b"{}")

    def test_a_catalogue_that_is_none(self, load):
        with pytest.raises(BundleError):
            load(catalogue_DOT_json=b'{"actions": 3}')


def _npy(array):
    import io

    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


class TestAnswers:
    """Predict, explain, recommend."""

    def test_a_probability_is_what_the_effects_add_up_to(self, model):
        (row,) = model.predict(
            [{"customer_id": "a", "plan": "basic", "tenure": 6, "mrr": 50.0, "may_call": True}]
        )
        # -0.5 + 1.0 (basic) + 0.5 (half way from 0 to 12 months) + 0.0 (half way to 100 EUR)
        assert row["churn_probability"] == pytest.approx(sigmoid(1.0), abs=1e-12)
        assert row["problem"] is None

    @pytest.mark.parametrize("count", [1, 5, 40])
    def test_every_kind_of_table_gets_the_same_answer_in_its_own_kind(
        self, model, customers, count
    ):
        rows = customers[:count]
        expected = [row["churn_probability"] for row in model.predict(rows)]
        for make, kind in (
            (pd.DataFrame, pd.DataFrame),
            (pl.DataFrame, pl.DataFrame),
            (pa.Table.from_pylist, pa.Table),
        ):
            answer = model.predict(make(rows))
            assert isinstance(answer, kind)
            np.testing.assert_array_equal(np.asarray(answer["churn_probability"]), expected)

    def test_rows_come_back_in_order_and_invalid_ones_say_why(self, model, customers):
        rows = [dict(row) for row in customers]
        rows[3]["plan"] = "gold"
        rows[7]["tenure"] = None
        answer = model.predict(rows)
        assert [row["customer_id"] for row in answer] == [row["customer_id"] for row in rows]
        assert answer[3]["churn_probability"] is None
        assert answer[3]["problem"].startswith("plan: isin")
        assert answer[7]["problem"] == "tenure: not_null"
        assert sum(row["problem"] is None for row in answer) == len(rows) - 2

    def test_a_missing_column_is_named(self, model, customers):
        with pytest.raises(DataError, match="column 'plan' is missing"):
            model.predict(pd.DataFrame(customers).drop(columns="plan"))

    @pytest.mark.parametrize("nothing", [[], pd.DataFrame(), pa.table({})])
    def test_no_customers_get_no_answers(self, model, nothing):
        assert len(model.predict(nothing)) == 0

    def test_reasons_speak_the_schemas_words_and_the_strongest_is_first(self, model):
        row = {"customer_id": "a", "plan": "basic", "tenure": 50, "mrr": 50.0, "may_call": True}
        (answer,) = model.explain([row], top=3)
        assert answer["reasons"][0]["reason"] == "basic plan"
        sizes = [abs(reason["contribution"]) for reason in answer["reasons"]]
        assert sizes == sorted(sizes, reverse=True)

    def test_points_add_up_from_the_base_to_the_probability(self, model, customers):
        for answer in model.explain(customers, top=9):
            points = [reason["points"] for reason in answer["reasons"]]
            expected = 100 * (answer["churn_probability"] - model.base_probability)
            assert sum(points) == pytest.approx(expected, abs=1e-9)
            for reason in answer["reasons"]:
                assert reason["points"] * reason["contribution"] > 0

    def test_a_customer_in_two_rows_cannot_be_planned_for(self, model, customers):
        rows = [*customers[:5], customers[2]]
        with pytest.raises(DataError, match="column 'customer_id' breaks unique in 1 row"):
            model.recommend(rows)

    def test_the_budget_is_kept_and_who_may_not_be_called_is_not(self, model, customers):
        plan = model.recommend(customers, budget=25.0)
        called = [row for row in plan if row["action"] is not None]
        assert 0 < len(called) <= 5
        assert sum(row["cost"] for row in called) <= 25.0
        allowed = {row["customer_id"] for row in customers if row["may_call"]}
        assert {row["customer_id"] for row in called} <= allowed

    def test_a_model_without_actions_says_what_to_do(self, parts, customers):
        bare = ModelContents(parts.contract, parts.scorer, parts.calibration)
        with pytest.raises(RecipeError, match="trained without actions"):
            RetentionModel(bare).recommend(customers)

    def test_one_row_alone_scores_as_in_company(self, model, customers):
        together = model.predict(customers)
        for row, answer in zip(customers, together, strict=True):
            assert model.predict_row(row) == answer["churn_probability"]
        assert model.predict_row({**customers[0], "plan": "gold"}) is None

    @pytest.mark.parametrize("method", ["predict", "explain", "recommend", "segments"])
    def test_a_pandas_frame_keeps_its_index(self, model, shop_model, rows_of_shop, method):
        model, rows = (
            (shop_model, rows_of_shop(40, seed=5))
            if method == "segments"
            else (
                model,
                [
                    {
                        "customer_id": f"c{n}",
                        "plan": "basic",
                        "tenure": n,
                        "mrr": 5.0 * n,
                        "may_call": True,
                    }
                    for n in range(40)
                ],
            )
        )
        frame = pd.DataFrame(rows, index=[f"row {n}" for n in range(40)])
        chosen = frame.iloc[[31, 7, 12]]
        answer = getattr(model, method)(chosen)
        assert list(answer.index) == ["row 31", "row 7", "row 12"]
        frame["answer"] = answer[answer.columns[1]]
        expected = getattr(model, method)(rows)
        for name, row in zip(frame.index, expected, strict=True):
            assert frame["answer"].isna()[name] or frame["answer"][name] == row[answer.columns[1]]
        assert frame["answer"].notna().sum() == 3

    def test_threads_may_share_a_model(self, bundle, customers):
        model = RetentionModel.load(bundle)
        expected = model.predict(customers)
        got = []
        threads = [
            threading.Thread(target=lambda: got.append(model.predict(customers))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [expected] * 8

    def test_its_words_show_no_customer(self, model, customers):
        assert "shop" in repr(model)
        assert "c1" not in repr(model.encode(customers))


class TestIntervals:
    """Intervals of probabilities, from labelled customers outside the training."""

    @pytest.fixture
    def measured(self, parts):
        rng = np.random.default_rng(0)
        probability = rng.random(300)
        intervals = VennAbers.fit(probability, rng.random(300) < probability)
        return RetentionModel(replace(parts, intervals=intervals))

    def test_they_are_columns_around_the_probability_with_the_ends_of_the_predictor(
        self, measured, customers
    ):
        plain = measured.predict(customers)
        rows = measured.predict(customers, interval=True)
        probability = [row["churn_probability"] for row in plain]
        low, high = measured.contents.intervals.ends(probability)
        assert [row["churn_probability"] for row in rows] == probability
        for row, at_least, at_most in zip(rows, low, high, strict=True):
            assert row["probability_low"] == min(at_least, row["churn_probability"])
            assert row["probability_high"] == max(at_most, row["churn_probability"])

    def test_one_row_has_the_interval_that_it_has_in_a_table(self, measured, customers):
        for row, answer in zip(customers, measured.predict(customers, interval=True), strict=True):
            scored = measured.score_row(row, interval=True)
            assert scored.interval == (answer["probability_low"], answer["probability_high"])
            assert measured.score_row(row).interval is None

    def test_a_row_that_breaks_a_rule_has_none(self, measured, customers):
        frame = pd.DataFrame([customers[0], {**customers[1], "plan": "gold"}])
        assert measured.predict(frame, interval=True)["probability_low"].isna().tolist() == [
            False,
            True,
        ]

    def test_they_are_saved_with_the_model(self, measured, customers, tmp_path):
        measured.save(tmp_path / "bundle")
        again = RetentionModel.load(tmp_path / "bundle")
        expected = measured.predict(customers, interval=True)
        assert again.predict(customers, interval=True) == expected

    def test_damaged_ones_are_refused(self, measured):
        files = to_files(measured.contents)
        name = "intervals/upper.npy"
        with pytest.raises(BundleError, match="the intervals are no ascending steps"):
            from_files({**files, name: files["intervals/thresholds.npy"]})

    def test_a_model_without_them_says_so(self, model, customers):
        with pytest.raises(RecipeError, match="has no intervals"):
            model.predict(customers, interval=True)

    def test_training_takes_them_from_customers_scored_by_models_without_them(
        self, trained_shop, shop_model
    ):
        from churnkit.pipeline import load_recipe
        from churnkit.pipeline.training.data.dataset import prepare, read_training_table
        from churnkit.pipeline.training.fit import fit

        project = trained_shop[0]
        recipe = load_recipe(project.root / "training" / "shop.py")
        data = prepare(recipe, read_training_table(recipe, project.root))
        probability = fit(recipe, data).probability
        first = shop_model.contents.evaluation.probabilities(data.test.X)
        np.testing.assert_array_equal(probability[data.folds == 0], first)
        expected = VennAbers.fit(probability, data.full.y)
        np.testing.assert_allclose(
            shop_model.contents.intervals.ends(probability), expected.ends(probability), atol=1e-12
        )
