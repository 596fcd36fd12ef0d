import asyncio
from dataclasses import replace

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from churnkit.bundle.model import RetentionModel
from churnkit.server import create_app
from churnkit.server.observability.metrics import Metrics


def read_counts(text):
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def counted(ask, model):
    app = create_app(model, max_rows=50)

    def read():
        return read_counts(ask("/metrics", to=app).text)

    return app, read


def test_requests_rows_and_refused_rules_are_counted(ask, member, counted):
    app, read = counted
    rows = [member(place) for place in range(4)]
    ask("/v1/predict", {"customers": rows}, to=app)
    ask("/v1/predict", {"customers": rows[:3]}, to=app)
    ask("/v1/predict", {"customers": [rows[0] | {"tenure": -1}]}, to=app)
    ask("/v1/explain", b"{", to=app)
    counts = read()
    assert counts["churnkit_requests_total", "/v1/predict", "200"] == 2
    assert counts["churnkit_requests_total", "/v1/predict", "422"] == 1
    assert counts["churnkit_requests_total", "/v1/explain", "400"] == 1
    assert counts["churnkit_rows_scored_total", "/v1/predict"] == 7
    assert counts["churnkit_refusals_total", "ge(0)"] == 1
    assert counts["churnkit_request_seconds_count", "/v1/predict"] == 3


def test_what_a_client_sends_is_never_a_label(ask, member, counted):
    app, read = counted
    ask("/customers/anna-7431", to=app)
    ask("/v1/predict", {"customers": [member() | {"anna-7431": 1}]}, to=app)
    ask("/v1/predict", {"customers": [member()], "anna-7431": 1}, to=app)
    ask("/v1/predict", {"customers": [member() | {"plan": "anna-7431"}]}, to=app)
    counts = read()
    assert counts["churnkit_requests_total", "404", "other"] == 1
    assert not any("anna-7431" in word for key in counts for word in key)


def test_scores_gaps_new_categories_and_far_numbers_are_counted_by_column(ask, member, model):
    limits = np.tile([-np.inf, np.inf], (5, 1))
    limits[0] = 1, 100
    app = create_app(RetentionModel(replace(model.contents, ranges=limits)))
    rows = [member(place) | {"fee": None, "city": "Rome"} for place in range(1, 9)]
    ask("/v1/predict", {"customers": rows}, to=app)
    ask("/v1/predict", {"customers": [member(1) | {"tenure": 900, "city": None}]}, to=app)
    counts = read_counts(ask("/metrics", to=app).text)
    assert counts["churnkit_cells_missing_total", "fee"] == 8
    assert counts["churnkit_cells_missing_total", "city"] == 1
    assert counts["churnkit_cells_unseen_total", "city"] == 8
    assert counts["churnkit_cells_out_of_range_total", "tenure"] == 1
    assert sum(n for (name, *_), n in counts.items() if name == "churnkit_scores_total") == 9
    assert counts["churnkit_model", "", "gym"] == 1


def test_worker_processes_add_up_and_a_dead_one_s_gauges_are_gone(tmp_path):
    one, other = Metrics(tmp_path), Metrics(tmp_path)
    for metrics in (one, other):
        metrics.answered("/v1/predict", 200, seconds=0.002, rows=2)
        metrics.show("churnkit_model", "gym", "abc", value=1)
    other.exposition()
    counts = read_counts(one.exposition().decode())
    assert counts["churnkit_requests_total", "/v1/predict", "200"] == 2
    assert counts["churnkit_rows_scored_total", "/v1/predict"] == 4
    assert counts["churnkit_request_seconds_bucket", "/v1/predict", "0.0025"] == 2
    assert counts["churnkit_model", "abc", "gym"] == 2
    other.close()
    counts = read_counts(one.exposition().decode())
    assert counts["churnkit_model", "abc", "gym"] == 1
    assert counts["churnkit_rows_scored_total", "/v1/predict"] == 4


def test_counts_of_background_tasks_reach_other_workers_without_a_request(tmp_path, monkeypatch):
    monkeypatch.setattr("churnkit.server.observability.metrics._FLUSH_SECONDS", 0.01)
    worker, other = Metrics(tmp_path), Metrics(tmp_path)

    async def run():
        worker.count("churnkit_journal_failures")
        worker.show("churnkit_journal_waiting", value=3.0)
        await asyncio.sleep(0.1)

    asyncio.run(run())
    counts = read_counts(other.exposition().decode())
    assert counts["churnkit_journal_failures_total",] == 1
    assert counts["churnkit_journal_waiting",] == 3


def test_a_full_disk_keeps_the_metrics_readable(tmp_path, monkeypatch):
    metrics = Metrics(tmp_path)
    metrics.count("churnkit_spool_failures")
    metrics.exposition()

    def full(*_arguments, **_settings):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    metrics.count("churnkit_spool_failures")
    assert read_counts(metrics.exposition().decode())["churnkit_spool_failures_total",] == 1
