import pytest
from prometheus_client.parser import text_string_to_metric_families

from churnkit.server import create_app


@pytest.fixture
def counted(ask, model):
    app = create_app(model, max_rows=50)

    def read():
        text = ask("/metrics", to=app).text
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

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
