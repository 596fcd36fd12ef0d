"""What scoring may import: numpy, and nothing that takes seconds to load."""

import subprocess
import sys

import pytest

import churnkit.models

HEAVY = ("sklearn", "lightgbm", "pandas", "scipy", "numba", "mlflow", "bentoml")


@pytest.mark.parametrize(
    "statement",
    [
        "import churnkit.models",
        "import churnkit.evaluation",
        "from churnkit.models import Calibration, EnsembleScorer, LinearScorer, load_scorer",
        "from churnkit.models.calibration.fit import calibrate",
        "from churnkit.models import Calibration; Calibration.identity().apply([0.5])",
    ],
)
def test_scoring_and_measuring_import_numpy_alone(statement):
    program = f"{statement}; import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


def test_evaluating_imports_nothing_heavier_than_the_quantiles_of_scipy():
    program = (
        "from churnkit.evaluation import evaluate; evaluate([0, 1], [0.2, 0.8], resamples=2)\n"
        f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "['scipy']"


def test_every_public_name_loads():
    for name in churnkit.models.__all__:
        assert getattr(churnkit.models, name).__name__ == name
    assert dir(churnkit.models) == sorted([*churnkit.models.__all__, "value"])


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Oracle'"):
        churnkit.models.Oracle  # type: ignore[attr-defined]  # noqa: B018
