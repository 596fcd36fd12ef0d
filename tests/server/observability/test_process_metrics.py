"""The processes' own metrics, and counts that exist before the first event."""

import psutil  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from churnkit.server import create_app


def samples(ask, app):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(ask("/metrics", to=app).text)
        for sample in family.samples
    }


def test_memory_processor_time_and_files_are_those_of_the_process(ask, model):
    measured = samples(ask, create_app(model))
    own = psutil.Process()
    resident = own.memory_info().rss
    assert 0.5 * resident < measured["churnkit_process_resident_bytes", ()] < 2.0 * resident
    cpu = sum(own.cpu_times()[:2])
    assert 0.0 < measured["churnkit_process_cpu_seconds_total", ()] <= cpu
    assert 0 < measured["churnkit_process_open_files", ()] < 10_000


def test_counts_are_zero_before_the_first_request(ask, model):
    measured = samples(ask, create_app(model))
    for route in ("/v1/predict", "/v1/explain", "/v1/recommend", "/v1/outcomes"):
        labels = (("route", route), ("status", "200"))
        assert measured["churnkit_requests_total", labels] == 0.0
    for outcome in ("swapped", "refused", "unreachable"):
        assert measured["churnkit_reloads_total", (("outcome", outcome),)] == 0.0
    assert measured["churnkit_journal_failures_total", ()] == 0.0
