from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

from churnkit.bundle import Registry, RetentionModel, load
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.errors import ChurnkitError
from churnkit.models import ChurnClassifier, LightGBMTrees, LogisticModel, Tuning
from churnkit.pipeline import PromotionGate, train

MINUTES = [timedelta(minutes=minutes) for minutes in range(3)]


def versions_of(project, name="shop"):
    with quiet_mlflow():
        return Registry(project).versions(name)


def logistic(recipe, **changes):
    """The same recipe with one quick candidate."""
    candidates = [("logistic", LogisticModel())]
    return replace(recipe, model=ChurnClassifier(candidates=candidates, cv=2), **changes)


@pytest.fixture(scope="module")
def run(trained_shop):
    project, result = trained_shop
    with quiet_mlflow():
        return Registry(project).client.get_run(result.run_id)


@pytest.fixture(scope="module")
def files(trained_shop):
    """The paths of the run's files."""
    project, result = trained_shop
    folders = [""]
    outcome: list[str] = []
    with quiet_mlflow():
        client = Registry(project).client
        while folders:
            for item in client.list_artifacts(result.run_id, folders.pop()):
                (folders if item.is_dir else outcome).append(item.path)
    return outcome


class TestRecord:
    """What MLflow holds of a run."""

    def test_the_parameters_say_how_it_was_trained(self, run):
        assert run.data.params["recipe"] == "shop"
        assert run.data.params["seed"] == "0"
        assert run.data.params["model.profile"] == "fast"
        rows = [int(run.data.params[f"{kind}_rows"]) for kind in ("train", "test", "registered")]
        assert rows[0] < rows[1] == rows[2] == 500

    def test_each_metric_has_its_interval_and_the_rules_beside_it(self, run, trained_shop):
        metrics = run.data.metrics
        figure = trained_shop[1].evaluation.metrics["log_loss"]
        assert metrics["test.log_loss"] == figure.value
        assert metrics["test.log_loss.low"] < metrics["test.log_loss"]
        assert metrics["test.log_loss.high"] > metrics["test.log_loss"]
        assert metrics["rule.log_loss"] > metrics["test.log_loss"]
        expected = {"auc", "average_precision", "log_loss", "brier", "calibration_error"}
        assert {f"test.{name}" for name in expected} <= set(metrics)

    def test_the_tags_name_bundle_contract_and_data(self, run, trained_shop, shop_model):
        tags = run.data.tags
        assert tags["churnkit.bundle"] == trained_shop[1].digest == shop_model.digest
        assert tags["churnkit.contract"] == shop_model.contract.digest
        assert tags["churnkit.data"] == shop_model.manifest.lineage["data"]
        assert tags["churnkit.gate"] == "passed"

    def test_the_dataset_is_named_by_its_digest(self, run):
        train, test = sorted(run.inputs.dataset_inputs, key=lambda inputs: inputs.dataset.name)
        assert [train.dataset.name, test.dataset.name] == ["shop", "shop test"]
        assert [train.tags[0].value, test.tags[0].value] == ["training", "testing"]
        for inputs in (train, test):
            digest = run.data.tags["churnkit.data"].removeprefix("sha256:")
            assert digest.startswith(inputs.dataset.digest)

    def test_the_datasets_have_columns_and_sizes(self, run, shop_model):
        contract = shop_model.contract
        for inputs in run.inputs.dataset_inputs:
            columns = json.loads(inputs.dataset.schema)["mlflow_colspec"]
            assert {"name": "tenure_months", "type": "long", "required": True} in columns
            assert columns[-1]["name"] == contract.label.name
        rows = {
            each.dataset.name: json.loads(each.dataset.profile)["num_rows"]
            for each in run.inputs.dataset_inputs
        }
        assert rows == {"shop": 500, "shop test": int(run.data.params["test_rows"])}

    def test_the_run_is_named_by_recipe_and_date_and_described_by_the_card(self, run):
        started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
        # The name is made within a minute before the run starts.
        names = {f"shop {started - back:%Y-%m-%d %H:%M}" for back in MINUTES}
        assert run.info.run_name in names
        assert run.data.tags["mlflow.note.content"].startswith("# Model card")
        assert run.data.tags["mlflow.source.name"] == "shop.py"

    def test_the_experiment_opens_with_charts(self, run, trained_shop):
        with quiet_mlflow():
            client = Registry(trained_shop[0]).client
            tags = client.get_experiment(run.info.experiment_id).tags
        assert tags["mlflow.experimentKind"] == "custom_model_development"

    def test_each_candidate_is_a_run_of_its_own(self, run, trained_shop):
        with quiet_mlflow():
            children = Registry(trained_shop[0]).client.search_runs(
                [run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'"
            )
        assert len(children) >= 3
        (best,) = (child for child in children if child.data.tags["churnkit.winner"] == "true")
        losses = [child.data.metrics["log_loss"] for child in children]
        assert best.data.metrics["log_loss"] == min(losses)
        assert best.info.run_name == f"candidate {run.data.params['winner']}"
        assert all(child.info.status == "FINISHED" for child in children)
        weights = [child.data.metrics["weight"] for child in children]
        assert sum(weights) == pytest.approx(1.0)

    def test_the_version_has_signature_example_and_description(self, trained_shop, shop_model):
        from mlflow.models import Model

        project, result = trained_shop
        with quiet_mlflow():
            registry = Registry(project)
            version = registry.client.get_model_version("shop", result.version)
            model = registry.client.get_registered_model("shop")
            folder = registry.bundle(registry.version("shop")).parents[1]
            info = Model.load(folder)
            example = info.load_input_example(folder)
        assert version.description.startswith("# Model card")
        assert len(version.description) <= 5_000
        assert model.description == shop_model.card["use"]
        required = [column.name for column in shop_model.contract.required("predict")]
        inputs = info.signature.inputs
        assert [spec.name for spec in inputs if spec.required] == required
        assert info.signature.outputs.input_names() == [
            "customer_id", "churn_probability", "problem",
        ]  # fmt: skip
        (answer,) = shop_model.predict(example.to_dict("records"))
        assert answer["problem"] is None

    def test_contract_verdict_figures_and_pictures_are_kept(self, files):
        assert {
            "contract.json",
            "gate.json",
            "evaluation.json",
            "candidates.csv",
            "plots/calibration.png",
            "plots/lift.png",
            "plots/roc.png",
            "plots/precision_recall.png",
            "plots/profit.png",
            "plots/drivers.png",
        } <= set(files)

    def test_the_registered_version_is_champion_and_challenger(self, trained_shop):
        project, result = trained_shop
        (version,) = versions_of(project)
        assert version.version == result.version == "1"
        assert set(version.aliases) == {"champion", "challenger"}
        assert version.digest == result.digest
        assert version.run_id == result.run_id

    def test_no_customers_id_address_or_machine_path_is_in_any_file_written(self, trained_shop):
        project, _ = trained_shop
        canaries = (b"idcanary", b"mailcanary")
        stored = [path for path in project.store.rglob("*") if path.is_file()]
        assert len(stored) > 10
        for path in stored:
            content = path.read_bytes()
            assert not [canary for canary in canaries if canary in content], path
        for path in project.store.rglob("bundle/**/*"):
            assert not path.is_file() or str(project.root).encode() not in path.read_bytes()


def test_the_golden_rows_are_no_customers(shop_model, trained_shop):
    import pyarrow.csv as pcsv

    golden = shop_model.contents.golden
    assert len(golden) > 20
    encoded = shop_model.encode(pcsv.read_csv(trained_shop[0].root / "customers.csv"))
    originals = {row.tobytes() for row in np.ascontiguousarray(encoded.features)}
    assert not [row for row in np.ascontiguousarray(golden) if row.tobytes() in originals]


def test_a_rerun_is_unchanged_and_registers_nothing(recipe_of, trained_shop):
    project, before = trained_shop
    result = train(recipe_of(project))
    assert result.unchanged
    assert not result.promoted
    assert result.digest == before.digest
    assert len(versions_of(project)) == 1


def test_another_process_killed_while_promoting_made_the_same_bundle_and_promoted_nothing(
    make_shop, tmp_path, trained_shop
):
    project = make_shop(tmp_path)
    script = (
        "import os, signal, sys\n"
        "from churnkit.bundle import Registry\n"
        "from churnkit.pipeline import load_recipe, train\n"
        "Registry.promote = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "train(load_recipe(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "training/shop.py"],
        cwd=project.root,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    (version,) = versions_of(project)
    assert version.digest == trained_shop[1].digest
    assert version.aliases == ()
    with pytest.raises(ChurnkitError, match="no version has passed its promotion gate"):
        load("models:/shop@champion", project=project)


@pytest.mark.parametrize("step", ["fitting", "comparing", "logging"])
def test_a_run_that_is_interrupted_leaves_the_champion(recipe_of, shop_copy, step):
    before = versions_of(shop_copy)

    def interrupt(message):
        if message.startswith(step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(logistic(recipe_of(shop_copy), seed=3), project=shop_copy, progress=interrupt)
    assert versions_of(shop_copy) == before


def test_each_setting_that_a_search_tried_is_a_run_inside_the_trainings(recipe_of, shop_copy):
    pytest.importorskip("optuna", reason="the extra 'train' is not installed")
    candidates = [("logistic", LogisticModel(C=1.0))]
    model = ChurnClassifier(candidates=candidates, cv=2, tuning=Tuning(trials=2))
    result = train(replace(recipe_of(shop_copy), model=model, seed=4), project=shop_copy)
    with quiet_mlflow():
        client = Registry(shop_copy).client
        parent = client.get_run(result.run_id)
        trials = client.search_runs(
            [parent.info.experiment_id], f"tags.mlflow.parentRunId = '{result.run_id}'"
        )
    trials = [run for run in trials if run.info.run_name.startswith("trial")]
    assert sorted(each.info.run_name for each in trials) == ["trial 0", "trial 1"]
    for each in trials:
        assert {"num_leaves", "learning_rate"} <= set(each.data.params)
        assert each.data.metrics["log_loss"] > 0
    assert (shop_copy.store / "tuning.db").is_file()


def test_another_seed_gives_another_bundle_and_the_gate_decides(recipe_of, shop_copy, trained_shop):
    result = train(replace(recipe_of(shop_copy), seed=5), project=shop_copy)
    assert result.digest != trained_shop[1].digest
    assert result.version == "2"
    assert result.gate is not None
    assert result.gate.champion is not None
    newest, oldest = versions_of(shop_copy)
    assert "challenger" in newest.aliases
    assert ("champion" in newest.aliases) is result.promoted
    assert ("champion" in oldest.aliases) is not result.promoted


def test_a_worse_model_than_the_champion_is_registered_and_not_promoted(recipe_of, shop_copy):
    path = shop_copy.root / "customers.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    index = rows[0].index("tenure_months")
    generator = np.random.default_rng(0)
    shuffled = generator.permutation([row[index] for row in rows[1:]])
    recipe = recipe_of(shop_copy)

    def worse():
        import pyarrow as pa

        columns = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
        names = list(columns)
        held_out = recipe.split.is_test(columns["customer_id"])
        # The training customers' tenure tells nothing; the test customers are as they were.
        tenure = [
            now if test else other
            for now, other, test in zip(columns["tenure_months"], shuffled, held_out, strict=True)
        ]
        return pa.table({n: list(tenure if n == "tenure_months" else columns[n]) for n in names})

    # The gate on AUC is passed against the rule, which learns as little from the same rows.
    result = train(logistic(recipe, data=worse, gate=PromotionGate("auc")), project=shop_copy)
    assert not result.promoted
    assert result.gate is not None
    assert any("FAILED against the champion" in message for message in result.gate.says)
    newest, oldest = versions_of(shop_copy)
    assert newest.aliases == ("challenger",)
    assert oldest.aliases == ("champion",)


def test_noise_does_not_pass_the_gate(recipe_of, make_shop, tmp_path, rows_of_shop):
    rows = rows_of_shop(300)
    for row, left in zip(rows, np.random.default_rng(1).random(300) < 0.3, strict=True):
        row["churned"] = bool(left)
    project = make_shop(tmp_path, rows=rows)
    result = train(logistic(recipe_of(project)))
    assert not result.promoted
    assert result.gate is not None
    assert "FAILED against the baseline rule" in result.gate.says[0]
    (version,) = versions_of(project)
    assert version.aliases == ("challenger",)


class TestStaleChampion:
    """A champion that cannot be held against the new model stays, unless told otherwise."""

    def test_a_champion_that_lacks_a_column_stays_until_it_is_replaced(self, recipe_of, shop_copy):
        schema = shop_copy.root / "schemas" / "shop.py"
        text = schema.read_text().replace(
            '    city: str = feature("City", nullable=True)\n', '    town: str = feature("Town")\n'
        )
        schema.write_text(text)
        path = shop_copy.root / "customers.csv"
        header, *rows = path.read_text().splitlines()
        mended = [header.replace("city", "town"), *(row.replace(",,", ",Rome,") for row in rows)]
        path.write_text("\n".join(mended) + "\n")
        result = train(logistic(recipe_of(shop_copy)))
        assert not result.promoted
        assert result.gate is not None
        assert result.gate.passed
        assert "column 'city'" in result.warnings[0]
        assert "--replace-champion" in result.warnings[0]
        again = train(logistic(recipe_of(shop_copy)), replace_champion=True)
        assert again.promoted

    def test_a_damaged_champion_stays(self, recipe_of, shop_copy):
        from churnkit.core.project import Project

        registry = Registry(Project(shop_copy.root))
        with quiet_mlflow():
            champion = registry.version("shop")
            registry.client.create_model_version("shop", str(shop_copy.root / "nothing"))
            registry.promote("shop", "2")
        assert champion.version == "1"
        result = train(logistic(recipe_of(shop_copy), seed=9), project=shop_copy)
        assert not result.promoted
        assert "cannot be loaded" in result.warnings[0]


def test_a_plain_estimator_without_a_contest_can_be_trained_and_saved(
    recipe_of, make_shop, tmp_path
):
    project = make_shop(tmp_path)
    result = train(replace(recipe_of(project), model=LogisticModel()), project=project)
    assert result.winner == "LogisticModel"
    model = load("models:/shop@challenger", project=project)
    assert model.digest == result.digest


def test_the_bundle_keeps_boosters_as_text_without_extreme_values(
    recipe_of, make_shop, tmp_path, rows_of_shop
):
    import lightgbm

    rows = rows_of_shop(400)
    for row in rows[::50]:
        row["mrr"] = 98765.4375
    project = make_shop(tmp_path, rows=rows)
    trees = LightGBMTrees(num_leaves=5, max_rounds=30)
    train(replace(recipe_of(project), model=trees), project=project)
    model = load("models:/shop@challenger", project=project)
    ((name, text),) = model.contents.texts.items()
    assert name == "model"
    assert "98765.4375" not in text
    booster = lightgbm.Booster(model_str=text)
    golden = model.contents.golden
    assert golden is not None
    np.testing.assert_allclose(
        booster.predict(golden, raw_score=True, num_threads=1),
        model.contents.scorer.raw_score(golden),
        rtol=0,
        atol=1e-12,
    )


def test_the_loaded_champion_scores_as_the_fitted_model_did(recipe_of, trained_shop, shop_model):
    from churnkit.pipeline.training.data.dataset import prepare, read_training_table
    from churnkit.pipeline.training.fit import fit

    project, _ = trained_shop
    recipe = recipe_of(project)
    data = prepare(recipe, read_training_table(recipe, project.root))
    fitted = fit(recipe, data)
    scored = shop_model.predict(data.test.table)["churn_probability"].to_numpy()
    np.testing.assert_array_equal(scored, fitted.model.predict_proba(data.test.X)[:, 1])
    tested = shop_model.tested().predict(data.test.table)["churn_probability"].to_numpy()
    np.testing.assert_array_equal(tested, fitted.probability[data.folds == 0])
    assert np.abs(tested - scored).max() > 1e-4


def test_the_registered_model_is_fitted_on_all_customers_and_the_tested_one_without_the_test(
    recipe_of, trained_shop
):
    from churnkit.pipeline.training.data.dataset import prepare, read_training_table
    from churnkit.pipeline.training.fit import fit

    project, _ = trained_shop
    recipe = replace(recipe_of(project), model=LogisticModel(C=1.0))
    data = prepare(recipe, read_training_table(recipe, project.root))
    assert len(data.full.y) == len(data.train.y) + len(data.test.y) == 500
    fitted = fit(recipe, data)
    for model, part in ((fitted.tested, data.train), (fitted.model, data.full)):
        expected = LogisticModel(C=1.0, categorical_features=data.contract.categorical_features)
        np.testing.assert_array_equal(
            model.predict_proba(data.test.X),
            expected.fit(part.X, part.y).predict_proba(data.test.X),
        )


def test_a_champion_is_compared_by_the_model_that_has_not_seen_the_test_customers(
    recipe_of, shop_model, trained_shop
):
    from churnkit.pipeline.training.champion import Champion, score_champion
    from churnkit.pipeline.training.data.dataset import prepare, read_training_table

    project, _ = trained_shop
    recipe = recipe_of(project)
    data = prepare(recipe, read_training_table(recipe, project.root))
    version, first = versions_of(project)[0], data.folds == 0
    scores, problem = score_champion(Champion(version, shop_model), data)
    assert problem is None
    assert scores is not None
    encoded = shop_model.encode(data.test.table)
    np.testing.assert_array_equal(scores[first], shop_model.tested().probabilities(encoded))
    assert np.isnan(scores[~first]).all()
    # A bundle of an earlier version holds one model, which was fitted without these customers.
    earlier = RetentionModel(replace(shop_model.contents, evaluation=None))
    scores, _ = score_champion(Champion(version, earlier), data)
    assert scores is not None
    np.testing.assert_array_equal(scores[first], earlier.probabilities(encoded))


def test_a_champion_is_compared_on_all_customers_by_its_models_of_other_folds(
    recipe_of, shop_model, trained_shop
):
    from churnkit.pipeline.training.champion import load_champion, score_champion
    from churnkit.pipeline.training.data.dataset import prepare, read_training_table
    from churnkit.pipeline.training.fit import fit

    project, result = trained_shop
    recipe = recipe_of(project)
    data = prepare(recipe, read_training_table(recipe, project.root))
    champion, problem = load_champion(Registry(project), "shop")
    assert problem is None
    assert champion is not None
    assert champion.model.digest == result.digest
    scores, problem = score_champion(champion, data)
    assert problem is None
    assert scores is not None
    # The same recipe and table: the champion's scores are those of its own test.
    np.testing.assert_array_equal(scores, fit(recipe, data).probability)
    assert result.evaluation.rows == result.test_customers == len(scores) == 500


def test_the_result_is_json(trained_shop):
    told = json.loads(json.dumps(trained_shop[1].to_dict()))
    assert told["promoted"] is True


def test_the_bundle_can_be_loaded_from_its_folder_alone(trained_shop, shop_model):
    project, result = trained_shop
    (manifest,) = project.store.rglob("bundle/manifest.json")
    model = RetentionModel.load(Path(manifest).parent)
    assert model.digest == result.digest
    assert model.card["test_rows"] == model.card["registered_rows"] == 500
    assert model.card["test_folds"] == 5
