"""Tables with dates and without the day of the table, from init to the reports."""

from __future__ import annotations

import csv
import datetime as dt
import shutil

import numpy as np
import pytest

from churnkit.cli.main import run

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

ROWS = 400
EXPORT = dt.date(2025, 6, 30)


def write(path, *, days=0, day_column=None):
    """Customers whose risk depends on the days since their last order, some days later."""
    random = np.random.default_rng(3)
    last = random.integers(0, 120, ROWS)
    left = random.random(ROWS) < np.where(last > 60, 0.7, 0.1)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(
            ["customer_id", "last_order", "churned", *([day_column] if day_column else [])]
        )
        for number in range(ROWS):
            day = EXPORT + dt.timedelta(days=days - int(last[number]))
            state = [f"{EXPORT + dt.timedelta(days=days)}"] if day_column else []
            writer.writerow(
                [f"c{number}", f"{day:%d.%m.%Y}", "yes" if left[number] else "no", *state]
            )
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory, migrated_store):
    folder = tmp_path_factory.mktemp("dated")
    write(folder / "shop.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        from churnkit.models.selection.presets import profile_candidates
        from churnkit.pipeline.tracking import mlflow_run

        patch.setattr(mlflow_run, "_log_plots", lambda _: None)
        patch.setattr(
            "churnkit.models.churn_classifier.profile_candidates",
            lambda _, **settings: profile_candidates("fast", **settings),
        )
        assert run(["init", "shop", "--from", "shop.csv"]) == 0
        patch.chdir(folder / "shop")
        (folder / "shop" / ".churnkit").mkdir()
        shutil.copyfile(migrated_store, folder / "shop" / ".churnkit" / "mlflow.db")
        assert run(["train"]) == 0
    return folder / "shop"


@pytest.fixture
def scores(churnkit, project, tmp_path):
    """Score a file: the probabilities, and what was printed about its date."""

    def scores(file, *options, is_late=False):
        output = tmp_path / "scores.csv"
        code, _, printed = churnkit("score", file, "-o", output, *options, folder=project)
        assert code == 0, printed
        assert ("dates after the day of the table" in printed) == is_late
        with output.open(encoding="utf-8", newline="") as rows:
            found = [float(row["churn_probability"]) for row in csv.DictReader(rows)]
        return found, "dates are counted up to 2025-06-30" in printed

    return scores


def test_customers_of_another_day_score_as_those_of_the_training_table(scores, project, tmp_path):
    first, noted = scores(project.parent / "shop.csv")
    assert noted
    later = write(tmp_path / "later.csv", days=45)
    assert scores(later, "--as-of", "2025-08-14") == (first, False)
    named = write(tmp_path / "named.csv", days=45, day_column="as_of")
    assert scores(named) == (first, False)
    shifted, noted = scores(later, is_late=True)
    assert shifted != first
    assert noted


def test_a_day_that_contradicts_the_table_or_is_none_is_refused(churnkit, project, tmp_path):
    named = write(tmp_path / "named.csv", day_column="as_of")
    code, _, printed = churnkit("score", named, "--as-of", "2025-08-14", folder=project)
    assert code == 1
    assert "has the date of its rows in the column 'as_of'" in printed
    plain = write(tmp_path / "plain.csv")
    code, _, printed = churnkit("score", plain, "--as-of", "August", folder=project)
    assert code == 1
    assert "--as-of must be a date" in printed


def test_reasons_and_drift_speak_of_days(churnkit, project, tmp_path):
    later = write(tmp_path / "later.csv", days=45)
    code, printed, _ = churnkit("explain", later, "--as-of", "2025-08-14", folder=project)
    assert code == 0
    assert "days ago" in printed
    code, printed, _ = churnkit("monitor", later, "--as-of", "2025-08-14", folder=project)
    assert code == 0
    code, printed, _ = churnkit("monitor", later, folder=project)
    assert code == 3
    assert "last_order" in printed


def test_a_later_export_in_training_is_noticed(churnkit, project):
    write(project.parent / "shop.csv", days=45)
    try:
        code, _, printed = churnkit("train", folder=project)
    finally:
        write(project.parent / "shop.csv")
    assert code in {0, 1}
    assert "'last_order' has dates after 2025-06-30 in" in printed


def test_dates_of_long_before_the_training_range_name_the_day(churnkit, project, tmp_path):
    code, _, printed = churnkit(
        "score", project.parent / "shop.csv", "-o", tmp_path / "scores.csv", "--as-of", "2026-06-30",
        folder=project,
    )  # fmt: skip
    assert code == 0
    assert "column 'last_order' has 400 of 400 dates outside the training range" in printed
    assert "the day of the table, which --as-of states" in printed
