"""One customer's way through the library stays short; see `benchmarks.row_path`."""

import pytest

pytest.importorskip("numba", reason="the extra 'fast' is not installed")


@pytest.fixture(scope="module")
def traced():
    from benchmarks.row_path import simulated_model, trace_routes

    return trace_routes(simulated_model())


@pytest.mark.parametrize(("path", "most"), [("/v1/predict", 12), ("/v1/recommend", 20)])
def test_a_request_with_one_customer_enters_few_modules(traced, path, most):
    assert len(traced[path].modules) <= most, traced[path].modules
