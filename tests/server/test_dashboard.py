"""The dashboard and the metrics name the same things."""

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from churnkit.server import create_app
from churnkit.server.observability.metrics import METRICS


@pytest.fixture
def dashboard(serving):
    return json.loads((serving / "grafana.json").read_text())


def asked(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"], target["legendFormat"]


def exposed():
    endings = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    return {
        name + ending: kind.labels
        for name, kind in METRICS.items()
        for ending in endings[kind.type]
    }


def test_every_metric_of_the_dashboard_exists_with_its_labels(dashboard):
    known = exposed()
    for expression, legend in asked(dashboard):
        names = re.findall(r"churnkit_\w+", expression)
        assert names
        labels = {label for name in names for label in known[name]}
        by = re.findall(r"by \(([^)]*)\)", expression)
        used = {label.strip() for group in by for label in group.split(",")}
        assert used - {"le"} <= labels
        assert set(re.findall(r"{{(\w+)}}", legend)) <= used


def test_every_metric_is_on_the_dashboard(dashboard):
    shown = " ".join(expression for expression, _ in asked(dashboard))
    for name in METRICS:
        assert name in shown, name


def test_what_is_exposed_is_what_is_known(ask, member, model):
    app = create_app(model)
    ask("/v1/predict", {"customers": [member(1)]}, to=app)
    families = text_string_to_metric_families(ask("/metrics", to=app).text)
    assert {family.name for family in families} == set(METRICS)


def test_panels_stand_beside_each_other(dashboard):
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    cells = [(p["x"] + i, p["y"] + j) for p in places for i in range(p["w"]) for j in range(p["h"])]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
