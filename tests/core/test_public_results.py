"""Every public result is a table in a notebook; what a user declares need not be."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import dataclass, is_dataclass

import numpy as np
import pytest

import churnkit
from churnkit.core.result import Result

# Packages whose public records are declarations or settings, apart from the named results.
DECLARATIONS = {
    "churnkit.connect": {"AccessCheck", "PullReport", "PushReport"},
    "churnkit.console": set(),
    "churnkit.contracts": set(),
    "churnkit.report": set(),
    "churnkit.server": set(),
    "churnkit.timeline": {"Leak"},
    "churnkit.datasets": set(),
    "churnkit.pipeline": {"TrainingResult"},
}
# Inputs of functions and parts that only other results hold.
INPUTS = {
    "BanditBatch", "Calibration", "CompiledCatalogue", "CompiledRanking", "Contract", "CustomerCosts",
    "DecisionContext", "DecisionPeriod", "DecisionRecord", "Event", "Gains", "History", "InsightsSession",
    "LinearBandit", "MeasuredEffects", "Metric", "ModelContents", "Option", "OutcomeRecord", "PolicyLog", "Profile", "Query",
    "RankingDecision", "Decision", "Retention", "Rewards", "ThresholdRule", "Tuning", "Version",
}  # fmt: skip


def public_records():
    """Frozen dataclasses that a public package exports, by name."""
    records = {}
    packages = [
        module.name
        for module in pkgutil.walk_packages(churnkit.__path__, "churnkit.")
        if module.ispkg and "_project" not in module.name
    ]
    for package in ("churnkit", *packages):
        module = importlib.import_module(package)
        for name in getattr(module, "__all__", ()):
            try:
                value = getattr(module, name)
            except ImportError:  # an extra that is not installed
                continue
            frozen = inspect.isclass(value) and is_dataclass(value)
            if frozen and value.__dataclass_params__.frozen:
                results = DECLARATIONS.get(".".join(value.__module__.split(".")[:2]))
                if name not in INPUTS and (results is None or name in results):
                    records[name] = value
    return records


@pytest.mark.parametrize("name", sorted(public_records()))
def test_a_public_result_is_a_table_in_a_notebook(name):
    record = public_records()[name]
    for method in ("to_frame", "_repr_html_"):
        assert callable(getattr(record, method, None)), (
            f"{name} has no {method}: extend Result, or list it here as a declaration or an input"
        )


def test_no_input_is_listed_that_does_not_exist():
    from churnkit import bundle, decisions, evaluation, models

    assert all(hasattr(module, "__all__") for module in (bundle, decisions, evaluation, models))
    exported = {
        name for module in (bundle, decisions, evaluation, models) for name in module.__all__
    }
    assert {"ModelContents", "CompiledCatalogue", "PolicyLog", "LinearBandit"} <= exported & INPUTS


@dataclass(frozen=True)
class Segments(Result):
    name: tuple[str, ...]
    churn_rate: np.ndarray


def test_columns_of_one_length_are_rows_of_a_table_and_texts_are_escaped():
    segments = Segments(("<script>alert(1)</script>", "b"), np.array([0.25, 0.5]))
    assert segments.to_frame().columns.tolist() == ["name", "churn_rate"]
    assert len(segments.to_frame()) == 2
    html = segments._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "0.25" in html
