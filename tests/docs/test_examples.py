"""The examples run on the public data, and so does the notebook, in at most fifteen lines."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SCRIPTS = sorted(EXAMPLES.glob("plot_*.py"))


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_runs_without_a_warning(script, data_dir, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    monkeypatch.setenv("CHURNKIT_DATA_DIR", str(data_dir))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), matplotlib.rc_context({"backend": "agg"}):
        warnings.simplefilter("default")
        warnings.simplefilter("error", FutureWarning)
        warnings.filterwarnings("error", category=UserWarning, module="churnkit")
        runpy.run_path(str(script), run_name="__main__")
    matplotlib.pyplot.close("all")


@pytest.mark.data
@pytest.mark.slow
def test_the_notebook_goes_from_a_file_to_a_plan_in_fifteen_lines(data_dir, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="the extra 'test' is not installed")
    pytest.importorskip("ipykernel", reason="the extra 'test' is not installed")
    import nbformat

    monkeypatch.setenv("CHURNKIT_DATA_DIR", str(data_dir))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = nbformat.read(EXAMPLES / "telco.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code)
    assert sum(bool(line.strip()) for cell in code for line in cell.source.splitlines()) <= 15
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    formats = [set(output.get("data", {})) for cell in code for output in cell.outputs]
    assert sum("image/png" in found for found in formats) == 3
    assert sum("text/html" in found for found in formats) >= 2
