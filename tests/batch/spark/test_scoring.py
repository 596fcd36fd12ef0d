"""Spark gives the probabilities of the local door, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.bundle.model import RetentionModel
from churnkit.errors import DataError, RecipeError

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def customers(rows_of_shop):
    rows = rows_of_shop(2_000, seed=31)
    rows[7]["plan"] = "unheard of"
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def frame(spark, customers):
    return spark.createDataFrame(customers.to_pandas()).repartition(5)


def in_order(frame):
    return frame.toArrow().sort_by("customer_id")


def test_probabilities_intervals_reasons_and_problems_are_the_local_ones(
    frame, customers, shop_model
):
    from churnkit.batch.spark.scoring import score

    found = in_order(score(frame, shop_model, reasons=2, intervals=True))
    ends = ["probability_low", "probability_high"]
    intervals = shop_model.predict(customers, interval=True).sort_by("customer_id")
    local = shop_model.explain(customers, top=2).sort_by("customer_id")
    assert found.column_names == [
        "customer_id", "churn_probability", *ends, "reason_1", "reason_2", "problem",
    ]  # fmt: skip
    assert found.select(ends).to_pydict() == intervals.select(ends).to_pydict()
    assert found["customer_id"].to_pylist() == local["customer_id"].to_pylist()
    for name in ("churn_probability", "problem"):
        assert found[name].to_pylist() == local[name].to_pylist()
    assert found["problem"].null_count == 1_999
    first = [row[0]["reason"] if row else None for row in local["reasons"].to_pylist()]
    said = [
        None if text is None else text[: text.rindex(" (")]
        for text in found["reason_1"].to_pylist()
    ]
    assert said == first


def test_a_frame_without_rows_gives_a_frame_without_rows(frame, shop_model):
    from churnkit.batch.spark.scoring import score

    assert score(frame.limit(0), shop_model).count() == 0


def test_a_missing_column_is_refused_by_its_name(frame, shop_model):
    from churnkit.batch.spark.scoring import score

    with pytest.raises(DataError, match="tenure_months"):
        score(frame.drop("tenure_months"), shop_model)


def test_a_model_without_a_digest_is_refused(frame, shop_model):
    from churnkit.batch.spark.scoring import score

    with pytest.raises(RecipeError, match="not saved"):
        score(frame, RetentionModel(shop_model.contents))


def test_numbers_as_decimals_are_read(spark, frame, customers, shop_model):
    from churnkit.batch.spark.scoring import score

    decimal = frame.withColumn("mrr", frame["mrr"].cast("decimal(12,2)"))
    found = in_order(score(decimal, shop_model))["churn_probability"].to_numpy(zero_copy_only=False)
    local = shop_model.predict(customers.sort_by("customer_id"))["churn_probability"]
    np.testing.assert_array_equal(found, local.to_numpy(zero_copy_only=False))


class TestPlan:
    """Spark's plan is the local plan of the same customers, in the order of their ids."""

    @pytest.mark.parametrize("budget", [None, 100.0, 0.0])
    def test_it_is_the_local_plan_to_the_last_bit(self, frame, customers, shop_model, budget):
        from churnkit.batch.spark.scoring import plan

        found, report = plan(frame, shop_model, budget=budget)
        local = shop_model.recommend(customers.sort_by("customer_id"), budget=budget)
        there = in_order(found)
        # A plan states what is at risk and why, which a single recommendation does not.
        added = {"at_risk", "response", "effect"}
        assert [name for name in there.column_names if name not in added] == local.column_names
        assert added < set(there.column_names)
        assert there.select(local.column_names).to_pydict() == local.to_pydict()
        assert report.rows == 2_000
        assert report.invalid == 1
        most = np.inf if budget is None else budget
        assert sum(action["cost"] for action in report.actions) <= most

    def test_the_journal_s_decisions_stand_and_are_counted(
        self, frame, customers, shop_model, tmp_path
    ):
        from datetime import date

        from churnkit.batch import DecisionPeriod
        from churnkit.batch.spark.scoring import plan
        from churnkit.journal import Journal

        with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
            period = DecisionPeriod(date(2026, 11, 5), journal=journal)
            first, report = plan(frame, shop_model, budget=200.0, period=period)
            assert report.before == 0
            again, repeated = plan(frame, shop_model, budget=500.0, period=period)
            assert repeated.before == 1_999
            assert in_order(again).to_pydict() == in_order(first).to_pydict()
            assert len(journal.decisions()) == 1_999

    def test_a_customer_of_two_rows_is_refused(self, frame, shop_model):
        from churnkit.batch.spark.scoring import plan

        with pytest.raises(DataError, match="2000 duplicate customers"):
            plan(frame.union(frame), shop_model)

    def test_rows_without_an_id_are_reported_each(self, spark, frame, shop_model):
        from pyspark.sql.functions import lit  # type: ignore[import-not-found,unused-ignore]

        from churnkit.batch.spark.scoring import plan

        nameless = frame.limit(2).withColumn("customer_id", lit(None).cast("string"))
        found, report = plan(frame.union(nameless), shop_model)
        assert report.rows == 2_002
        assert report.invalid == 3
        assert found.filter("customer_id is null").filter("action is not null").count() == 0

    def test_a_missing_column_is_refused_by_its_name(self, frame, shop_model):
        from churnkit.batch.spark.scoring import plan

        with pytest.raises(DataError, match="may_call"):
            plan(frame.drop("may_call"), shop_model)


JOB = """
import sys
import churnkit
from pyspark.sql import SparkSession
from churnkit.batch.spark.scoring import plan, score

session = SparkSession.builder.config("spark.ui.enabled", "false").getOrCreate()
customers = session.read.parquet(sys.argv[2])


def where(batches):
    import churnkit
    import pyarrow

    for _ in batches:
        yield pyarrow.RecordBatch.from_pydict({"path": [churnkit.__file__]})


model = churnkit.load(sys.argv[1])
paths = [row.path for row in customers.limit(1).mapInArrow(where, "path string").collect()]
planned, _ = plan(customers, model, budget=100.0)
print("FOUND", score(customers, model).count(), planned.count(), churnkit.__file__, *paths)
"""


def test_an_archive_of_the_package_is_all_that_workers_need_of_it(customers, shop_model, tmp_path):
    """``spark-submit --py-files churnkit.zip``: driver and workers run the code in the archive."""
    pytest.importorskip("pyspark", reason="pyspark is not installed (extra 'spark')")
    root = Path(__file__).parents[3]
    with zipfile.ZipFile(tmp_path / "churnkit.zip", "w") as archive:
        for file in sorted((root / "churnkit").rglob("*.py*")):
            if file.suffix in {".py", ".pyi"}:
                archive.write(file, file.relative_to(root))
    shop_model.save(tmp_path / "bundle", name="shop", lineage={})
    pq.write_table(customers, tmp_path / "customers.parquet")
    (tmp_path / "job.py").write_text(JOB)
    submit = Path(sys.executable).with_name("spark-submit")
    done = subprocess.run(
        [
            submit,
            *("--master", "local[1]", "--py-files", "churnkit.zip"),
            *("job.py", "bundle", "customers.parquet"),
        ],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert line.split()[1:3] == ["2000", "2000"]
    assert line.count("churnkit.zip/churnkit/__init__.py") == 2


def test_dates_are_counted_up_to_the_same_day(spark, tmp_path):
    from churnkit.batch.spark.scoring import score
    from churnkit.bundle.contents import ModelContents
    from churnkit.contracts import Column, Contract
    from churnkit.contracts.encoding.table_encoder import TableEncoder
    from churnkit.models import Calibration, LogisticModel

    contract = Contract(
        "shop",
        (
            Column("customer_id", "string", ("entity",)),
            Column("joined", "datetime", ("feature",), nullable=True),
            Column("renews", "datetime", ("feature",), written="DD/MM/YYYY"),
            Column("day", "datetime", ("as_of",), default="2025-06-30"),
        ),
    )
    random = np.random.default_rng(5)
    days = np.datetime64("2025-06-30") - random.integers(0, 900, 300)
    joined = pa.array(
        days.astype("datetime64[D]").astype(object), pa.date32(), mask=days.astype(int) % 9 == 0
    )
    table = pa.table(
        {
            "customer_id": [f"c{number:03d}" for number in range(300)],
            "joined": joined,
            "renews": [f"{day:%d.%m.%Y}" for day in (days + 400).astype(object)],
        }
    )
    X = TableEncoder(contract).encode(table).features
    left = random.random(300) < np.where(X[:, 1] > -200, 0.7, 0.2)
    fitted = LogisticModel(C=1.0).fit(X, left)
    parts = ModelContents(
        contract, fitted.scorer_, Calibration.identity(), golden=np.array([[9.0, -40.0]])
    )
    RetentionModel(parts).save(tmp_path / "bundle", name="shop", lineage={})
    model = RetentionModel.load(tmp_path / "bundle")
    for rows in (table, table.append_column("day", pa.repeat(pa.scalar("2025-09-30"), 300))):
        found = in_order(score(spark.createDataFrame(rows.to_pandas()), model))
        local = model.predict(rows)
        assert found["churn_probability"].to_pylist() == local["churn_probability"].to_pylist()
