"""Commands: results on stdout, progress on stderr, exit codes 0, 1 and 2."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from importlib import metadata

import duckdb
import pyarrow as pa
import pytest

from churnkit import __version__
from churnkit.batch.io.checkpoints import Chunks
from churnkit.cli.main import DONE, REFUSED

COMMANDS = [
    "demo", "init", "validate", "train", "score", "plan", "explain", "serve", "models", "doctor",
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(trained_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    return trained_shop[0].root


class TestHelp:
    """What there is."""

    def test_without_arguments_the_help_is_printed(self, churnkit):
        code, out, err = churnkit()
        assert code == DONE
        assert err == ""
        for name in COMMANDS:
            assert f"\n  {name} " in out

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_help(self, churnkit, command):
        code, out, err = churnkit(command, "--help")
        assert code == DONE
        assert err == ""
        assert f"churnkit {command}" in out
        printing = command != "serve"
        assert ("--json" in out) is printing

    def test_the_version_is_the_packages(self, churnkit):
        assert churnkit("--version") == (DONE, f"churnkit {__version__}\n", "")

    @pytest.mark.parametrize(
        "wrong",
        [
            ["nonsense"],
            ["train", "--nonsense"],
            ["score"],
            ["score", "a.csv", "b.csv"],
            ["plan", "a.csv", "--budget", "much"],
            ["plan", "a.csv", "--budget", "-1"],
            ["explain", "a.csv", "--top", "0"],
            ["serve", "--port", "99999"],
            ["--nonsense"],
        ],
    )
    def test_usage_errors_point_to_the_help(self, churnkit, wrong):
        code, out, err = churnkit(*wrong)
        assert code == REFUSED
        assert out == ""
        command = "churnkit" if wrong[0] in {"nonsense", "--nonsense"} else f"churnkit {wrong[0]}"
        assert f"See: {command} --help" in err


class TestTrain:
    """``churnkit train``."""

    def test_a_rerun_has_nothing_to_do_and_is_done(self, churnkit, shop):
        code, out, err = churnkit("train", folder=shop)
        assert code == DONE
        assert "Model (" in out
        assert "nothing to do" in err
        assert "next: churnkit score" in err

    def test_json_alone_goes_to_stdout(self, churnkit, shop):
        code, out, err = churnkit("train", "shop", "--json", folder=shop)
        assert code == DONE
        assert json.loads(out)["unchanged"] is True
        assert "reading the table" in err

    def test_a_model_that_fails_its_gate_ends_with_one(
        self, churnkit, make_shop, tmp_path, rows_of_shop
    ):
        rows = rows_of_shop(300)
        for index, row in enumerate(rows):
            row["churned"] = index % 3 == 0
        project = make_shop(tmp_path / "noise", rows=rows)
        code, out, err = churnkit("train", "--json", folder=project.root)
        assert code == REFUSED
        assert json.loads(out)["promoted"] is False
        assert "NOT promoted" in err
        assert "next: churnkit models promote" in err
        version = "--model models:/shop/1"
        assert f"next: churnkit score CUSTOMERS.csv -o scores.csv {version}" in err
        code, _, err = churnkit("score", "customers.csv", folder=project.root)
        assert code == REFUSED
        assert f"To use version 1 as it is, add {version}" in err

    def test_a_broken_table_lists_its_rules_and_no_value(
        self, churnkit, make_shop, tmp_path, rows_of_shop
    ):
        rows = rows_of_shop(40)
        rows[5]["plan"] = "valuecanary"
        project = make_shop(tmp_path / "broken", rows=rows)
        code, out, err = churnkit("train", folder=project.root)
        assert code == REFUSED
        assert out == ""
        assert "column 'plan' breaks" in err
        assert "canary" not in err

    @pytest.mark.parametrize("name", ["none", "none.py", "training/none.py", "."])
    def test_a_recipe_that_is_not_there_is_refused(self, churnkit, shop, name):
        code, _, err = churnkit("train", name, folder=shop)
        assert code == REFUSED
        assert "no recipe" in err

    def test_a_folder_without_recipes_says_where_to_begin(self, churnkit, tmp_path):
        code, _, err = churnkit("train", folder=tmp_path)
        assert code == REFUSED
        assert "churnkit demo" in err

    def test_two_recipes_ask_for_a_choice(self, churnkit, shop_copy):
        (shop_copy.root / "training" / "other.py").write_text("")
        code, _, err = churnkit("train", folder=shop_copy.root)
        assert code == REFUSED
        assert "(other, shop): name one" in err


class TestScore:
    """``churnkit score``."""

    def test_scores_go_to_the_file_and_progress_to_stderr(
        self, churnkit, shop, customers, tmp_path
    ):
        target = tmp_path / "s.csv"
        code, out, err = churnkit("score", customers, "-o", target, folder=shop)
        assert code == DONE
        assert out == ""
        assert "30 customers scored by shop" in err
        assert f"next: churnkit plan {customers}" in err
        with target.open(newline="") as stream:
            assert len(list(csv.DictReader(stream))) == 30

    def test_without_a_file_they_go_to_stdout(self, churnkit, shop, customers, tmp_path):
        options = ("--reasons", "1", "--intervals")
        churnkit("score", customers, "-o", tmp_path / "s.csv", *options, folder=shop)
        code, out, _ = churnkit("score", customers, *options, folder=shop)
        assert code == DONE
        assert out == (tmp_path / "s.csv").read_text()
        assert next(csv.reader(io.StringIO(out))) == [
            "customer_id",
            "churn_probability",
            "probability_low",
            "probability_high",
            "reason_1",
        ]

    def test_json_without_a_file_holds_the_scores(self, churnkit, shop, customers):
        code, out, _ = churnkit("score", customers, "--json", folder=shop)
        assert code == DONE
        result = json.loads(out)
        assert result["rows"] == len(result["scores"]) == 30
        assert set(result["scores"][0]) == {"customer_id", "churn_probability"}

    def test_json_with_a_file_is_the_report(self, churnkit, shop, customers, tmp_path):
        target = tmp_path / "s.parquet"
        code, out, _ = churnkit("score", customers, "-o", target, "--json", folder=shop)
        assert code == DONE
        assert json.loads(out) == {
            "rows": 30,
            "invalid": 0,
            "output": str(target),
            "invalid_output": None,
            "notes": [],
        }

    @pytest.mark.parametrize("model", ["shop", "models:/shop/1", "models:/shop@champion"])
    def test_a_model_can_be_named(self, churnkit, shop, customers, model):
        assert churnkit("score", customers, "--model", model, folder=shop)[0] == DONE

    def test_a_bundles_folder_needs_no_project(self, churnkit, shop_model, customers, tmp_path):
        shop_model.save(tmp_path / "bundle")
        code, out, _ = churnkit("score", customers, "--model", "bundle", folder=tmp_path)
        assert code == DONE
        assert len(out.splitlines()) == 31

    @pytest.mark.parametrize("model", ["gym", "models:/shop/7", "no/bundle", "bento", "models:/"])
    def test_a_model_that_is_not_there_is_refused(self, churnkit, shop, customers, model):
        code, out, _ = churnkit("score", customers, "--model", model, folder=shop)
        assert (code, out) == (REFUSED, "")

    def test_invalid_rows_are_counted_with_their_file(
        self, churnkit, shop, tmp_path, rows_of_shop, to_csv
    ):
        rows = rows_of_shop(5)
        rows[2]["plan"] = "valuecanary"
        path = to_csv(tmp_path / "c.csv", rows)
        code, _, err = churnkit("score", path, "-o", tmp_path / "s.csv", folder=shop)
        assert code == DONE
        assert "1 rows violate the contract" in err
        assert "s.invalid.csv" in err
        assert "canary" not in err

    @pytest.mark.parametrize(
        ("invalid", "options", "expected"),
        [
            (5, [], REFUSED),
            (3, [], REFUSED),
            (2, [], DONE),
            (5, ["--max-invalid", "1"], DONE),
            (1, ["--max-invalid", "0"], REFUSED),
        ],
    )
    def test_too_many_invalid_rows_end_with_exit_code_1_and_are_written(
        self, churnkit, shop, tmp_path, rows_of_shop, to_csv, invalid, options, expected
    ):
        rows = rows_of_shop(5)
        for row in rows[:invalid]:
            row["plan"] = "gold"
        path, target = to_csv(tmp_path / "c.csv", rows), tmp_path / "s.csv"
        for command in ("score", "plan"):
            code, _, err = churnkit(command, path, "-o", target, *options, folder=shop)
            assert code == expected
            assert (f"{invalid} of 5 rows violate the contract" in err) == (expected == REFUSED)
            with target.open(newline="") as stream:
                assert len(list(csv.DictReader(stream))) == 5

    def test_an_output_that_cannot_be_reached_is_refused_and_makes_no_folder(
        self, churnkit, shop, customers, monkeypatch
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        for command in ("score", "plan"):
            for output in ("s3://bucket/x.parquet", "https://host/x.csv"):
                code, _, err = churnkit(command, customers, "-o", output, folder=shop)
                assert code == REFUSED
                assert "cannot be" in err
                assert not [path for path in shop.iterdir() if path.name.endswith(":")]

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ("none.csv", "none.csv does not exist"),
            (".", "table.xlsx is empty"),
            ("table.xlsx", "is empty"),
        ],
    )
    def test_a_table_that_cannot_be_read_is_refused_before_a_model_is_loaded(
        self, churnkit, tmp_path, bad, message
    ):
        (tmp_path / "table.xlsx").write_text("")
        code, _, err = churnkit("score", bad, folder=tmp_path)
        assert code == REFUSED
        assert message in err


class TestPlanExplainValidate:
    """The other commands on a table."""

    def test_a_plan_names_actions_cost_and_gain(self, churnkit, shop, customers, tmp_path):
        target = tmp_path / "plan.csv"
        code, out, err = churnkit("plan", customers, "--budget", "30", "-o", target, folder=shop)
        assert code == DONE
        assert "call" in out
        assert "Expected gain over 12 months: " in err
        assert "At-risk revenue over 12 months: " in err
        assert target.exists()

    def test_a_plan_as_json(self, churnkit, shop, customers):
        code, out, _ = churnkit("plan", customers, "--budget", "30", "--json", folder=shop)
        assert code == DONE
        assert json.loads(out)["cost"] <= 30.0

    def test_a_plan_is_in_the_journal_once_and_a_second_run_gives_it_again(
        self, churnkit, shop, customers, tmp_path
    ):
        url = f"sqlite:///{tmp_path / 'journal.db'}"
        arguments = ["plan", customers, "--budget", "30", "--journal", url, "--period", "autumn"]
        arguments += ["--day", "2026-11-05", "--tree", "--prices", tmp_path / "prices.json"]
        code, out, err = churnkit(*arguments, "-o", tmp_path / "first.csv", folder=shop)
        assert code == DONE
        assert "the tree agrees with the plan" in out
        assert "journal.db" in err
        code, _, err = churnkit(*arguments, "-o", tmp_path / "second.csv", folder=shop)
        assert code == DONE
        assert "30 customers already had a decision for this period" in err
        assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()
        assert json.loads((tmp_path / "prices.json").read_text())["actions"] == ["call"]

    def test_customers_are_explained_by_descending_risk(self, churnkit, shop, customers):
        code, out, _ = churnkit("explain", customers, "--json", folder=shop)
        assert code == DONE
        risks = [row["churn_probability"] for row in json.loads(out)]
        assert len(risks) == 10
        assert risks == sorted(risks, reverse=True)

    def test_a_customer_is_explained_in_the_schemas_words(self, churnkit, shop, customers):
        code, out, _ = churnkit(
            "explain", customers, "--customer", "idcanary21x00003", "--top", "4", folder=shop
        )
        assert code == DONE
        assert "idcanary21x00003" in out
        assert "plan" in out

    def test_an_unknown_customer_is_refused(self, churnkit, shop, customers):
        code, out, err = churnkit("explain", customers, "--customer", "canary", folder=shop)
        assert (code, out) == (REFUSED, "")
        assert "none of the 1 ids is in column 'customer_id'" in err

    @pytest.mark.parametrize("command", ["score", "plan", "explain"])
    def test_missing_columns_are_named(self, churnkit, shop, tmp_path, command):
        (tmp_path / "c.csv").write_text("city,plan\nBern,basic\n")
        code, out, err = churnkit(command, tmp_path / "c.csv", folder=shop)
        assert (code, out) == (REFUSED, "")
        assert "column 'customer_id' is missing" in err

    def test_a_sound_table_is_valid_for_the_recipe_and_the_model(self, churnkit, shop, customers):
        code, out, err = churnkit("validate", customers, folder=shop)
        assert (code, out) == (DONE, "")
        assert "next: churnkit train" in err
        code, out, err = churnkit("validate", customers, "--model", "shop", "--json", folder=shop)
        assert code == DONE
        assert json.loads(out)["valid"] is True

    def test_violations_are_listed_by_rule(self, churnkit, shop, tmp_path, rows_of_shop, to_csv):
        rows = rows_of_shop(12)
        rows[3]["plan"] = "valuecanary"
        path = to_csv(tmp_path / "c.csv", rows)
        code, out, err = churnkit("validate", path, "--json", folder=shop)
        assert code == REFUSED
        (violation,) = json.loads(out)["violations"]
        assert (violation["column"], violation["count"]) == ("plan", 1)
        assert violation["positions"] == [3]
        code, out, err = churnkit("validate", path, folder=shop)
        assert code == REFUSED
        assert "plan" in out
        assert "canary" not in out + err


class TestModelsAndDoctor:
    """What there is, and what is missing."""

    def test_models_lists_versions_and_aliases(self, churnkit, shop, trained_shop):
        code, out, _ = churnkit("models", "--json", folder=shop)
        assert code == DONE
        (version,) = json.loads(out)
        assert version["digest"] == trained_shop[1].digest
        assert version["aliases"] == ["challenger", "champion"]
        assert "champion" in churnkit("models", folder=shop)[1]

    def test_an_empty_folder_has_none_and_stays_empty(self, churnkit, tmp_path):
        code, out, err = churnkit("models", folder=tmp_path)
        assert (code, out) == (DONE, "")
        assert "next: churnkit train" in err
        assert list(tmp_path.iterdir()) == []

    def test_the_doctor_names_versions_store_and_models(self, churnkit, shop):
        code, out, _ = churnkit("doctor", "--json", folder=shop)
        assert code == DONE
        result = json.loads(out)
        assert result["models"] == ["shop"]
        assert result["recipes"] == ["shop"]
        assert result["store"].startswith("sqlite:")
        assert {package["package"] for package in result["packages"]} >= {"numpy", "mlflow"}

    def test_the_doctor_prescribes_the_extras_that_are_missing(
        self, churnkit, tmp_path, monkeypatch
    ):
        version = metadata.version

        def missing(package):
            if package in {"mlflow", "bentoml", "matplotlib"}:
                raise metadata.PackageNotFoundError(package)
            return version(package)

        monkeypatch.setattr(metadata, "version", missing)
        monkeypatch.setitem(sys.modules, "mlflow", None)
        code, out, err = churnkit("doctor", folder=tmp_path)
        assert code == DONE
        assert "missing" in out
        assert re.search("next: pip install( 'bentoml>=.*'mlflow>=|$)", err)

    def test_the_doctor_reports_a_broken_store_and_hides_its_password(
        self, churnkit, tmp_path, monkeypatch
    ):
        pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://me:secret@nowhere/db")
        code, out, err = churnkit("doctor", "--json", folder=tmp_path)
        assert code == REFUSED
        assert "does not answer" in json.loads(out)["models"]
        assert "secret" not in out + err

    def test_without_mlflow_a_command_names_the_extra(self, churnkit, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow", None)
        code, _, err = churnkit("models", folder=tmp_path)
        assert code == REFUSED
        assert re.search("pip install '?mlflow", err)


def test_models_prints_a_card_for_people_and_for_programs(churnkit, shop_copy):
    code, printed, _ = churnkit("models", "--card", "shop", folder=shop_copy.root)
    assert code == 0
    assert printed.startswith("# Model card: shop")
    code, printed, _ = churnkit("models", "card", "--json", folder=shop_copy.root)
    assert code == 0
    assert json.loads(printed)["data"]["rows"] == 500


class TestSources:
    """Customers from more than one file."""

    def test_a_database_is_scored_and_planned_by_a_query(
        self, churnkit, shop_copy, rows_of_shop, tmp_path
    ):
        with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
            connection.register("given", pa.Table.from_pylist(rows_of_shop(12, seed=4)))
            connection.execute("CREATE TABLE customers AS SELECT * FROM given")
        arguments = (tmp_path / "crm.duckdb", "--sql", "customers")
        for command in ("score", "plan"):
            output = tmp_path / f"{command}.csv"
            code, _, message = churnkit(command, *arguments, "-o", output, folder=shop_copy.root)
            assert code == 0, message
            assert len(output.read_text().splitlines()) == 13

    def test_an_interrupted_job_says_how_to_go_on(
        self, churnkit, shop_copy, rows_of_shop, to_csv, tmp_path, monkeypatch
    ):
        to_csv(tmp_path / "c.csv", rows_of_shop(40, seed=4))
        monkeypatch.setattr("churnkit.core.io.table_file.BATCH_ROWS", 5)
        monkeypatch.setattr("churnkit.batch.jobs.score.CHUNK_BATCHES", 2)
        save = Chunks._save
        saved: list[Chunks] = []

        def saves(chunks):
            if len(saved) == 2:  # two chunks are finished
                raise KeyboardInterrupt
            saved.append(chunks)
            save(chunks)

        job = ("score", tmp_path / "c.csv", "-o", tmp_path / "s.csv")
        with monkeypatch.context() as patch:
            patch.setattr(Chunks, "_save", saves)
            code, _, message = churnkit(*job, folder=shop_copy.root)
        assert code == 130
        assert "--resume" in message
        assert churnkit(*job, "--resume", folder=shop_copy.root)[0] == 0
        assert len((tmp_path / "s.csv").read_text().splitlines()) == 41
