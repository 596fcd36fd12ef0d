"""Run commands in this process and capture their output."""

from __future__ import annotations

import pytest

from churnkit.cli.main import run


@pytest.fixture
def churnkit(capsys, monkeypatch):
    """Run a command in this process, in a folder: its code, and what it printed where."""

    def churnkit(*arguments, folder=None):
        if folder is not None:
            monkeypatch.chdir(folder)
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return code, printed.out, printed.err

    return churnkit


@pytest.fixture(autouse=True)
def _without_plots():
    """Train without plots, which take a third of the time and which tests of the pipeline draw."""
    from churnkit.pipeline.tracking import mlflow_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_run, "_log_plots", lambda _: None)
        yield


@pytest.fixture
def fast_profile(monkeypatch):
    """Compare the candidates of the profile "fast" where a drafted recipe states no model."""
    from churnkit.models.selection.presets import profile_candidates

    monkeypatch.setattr(
        "churnkit.models.churn_classifier.profile_candidates",
        lambda _, **settings: profile_candidates("fast", **settings),
    )


@pytest.fixture
def customers(tmp_path, rows_of_shop, to_csv):
    return to_csv(tmp_path / "new.csv", rows_of_shop(30, seed=21))
