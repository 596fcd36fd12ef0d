"""Rules for imports: no cycles, no POSIX, no heavy libraries; and for workflows: pinned actions.

`nox -s lint types` checks the rest.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = [
    "churnkit",
    *(
        f"churnkit.{folder.name}"
        for folder in sorted((ROOT / "churnkit").iterdir())
        if (folder / "__init__.py").is_file()
    ),
]

pytestmark = [
    pytest.mark.quality,
    pytest.mark.skipif(
        not (ROOT / ".git").exists(), reason="these rules apply to a clone of the repository"
    ),
]


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Which modules each module imports, those for types included."""
    grimp = pytest.importorskip("grimp", reason="the extra 'test' is not installed")
    graph = grimp.build_graph("churnkit", exclude_type_checking_imports=False, cache_dir=None)
    return {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Find the strongly connected components of two nodes and more (Tarjan, 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for neighbor in sorted(graph.get(node, ())):
            if neighbor not in index:
                visit(neighbor)
                lowest[node] = min(lowest[node], lowest[neighbor])
            elif neighbor in stack:
                lowest[node] = min(lowest[node], index[neighbor])
        if lowest[node] == index[node]:
            position = stack.index(node)
            component = stack[position:]
            del stack[position:]
            if len(component) > 1:
                components.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return components


def test_a_cycle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "e"}, "e": set()}
    assert cycles(graph) == [["b", "c"]]


def test_no_modules_import_each_other_in_a_cycle(imports):
    assert cycles(imports) == []


def test_no_packages_import_each_other_in_a_cycle(imports):
    packages: dict[str, set[str]] = {}
    for module, imported in imports.items():
        package = ".".join(module.split(".")[:2])
        others = {".".join(name.split(".")[:2]) for name in imported} - {package, "churnkit"}
        packages.setdefault(package, set()).update(others)
    assert cycles(packages) == []


def test_no_folder_has_more_than_twelve_modules():
    files = [file for file in (ROOT / "churnkit").rglob("*.py") if file.name != "__init__.py"]
    counts = Counter(file.parent.relative_to(ROOT).as_posix() for file in files)
    assert {folder: count for folder, count in counts.items() if count > 12} == {}


@pytest.fixture(scope="module")
def imported_without_posix() -> dict[str, list[str]]:
    """Import every module in a process without POSIX: the failures, and exports that are modules."""
    script = (
        "import importlib, json, pkgutil, sys, types, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "for name in ('fcntl', 'grp', 'pwd', 'termios', 'uvloop'):\n"
        "    sys.modules[name] = None\n"
        "import churnkit\n"
        "failed = []\n"
        "for module in pkgutil.walk_packages(churnkit.__path__, 'churnkit.'):\n"
        "    if not module.name.endswith('registry.pyfunc'):\n"
        "        try:\n"
        "            importlib.import_module(module.name)\n"
        "        except ImportError as error:\n"
        "            failed.append(f'{module.name}: {error}')\n"
        "hidden = {}\n"
        "for name in sys.argv[1:]:\n"
        "    package = importlib.import_module(name)\n"
        "    hidden[name] = [export for export in getattr(package, '__all__', [])\n"
        "                    if isinstance(getattr(package, export), types.ModuleType)]\n"
        "print(json.dumps({'failed': failed, **hidden}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *PACKAGES], cwd=ROOT, capture_output=True, text=True,
        check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    imported: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return imported


def test_every_module_imports_where_there_is_no_posix(imported_without_posix):
    assert imported_without_posix["failed"] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_an_exported_name_is_never_hidden_by_a_module_of_the_same_name(
    package, imported_without_posix
):
    assert imported_without_posix[package] == []


def test_the_top_level_exports_at_most_15_names_that_exist():
    churnkit = import_module("churnkit")
    assert len(churnkit.__all__) <= 15
    assert not [n for n in churnkit.__all__ if isinstance(getattr(churnkit, n), ModuleType)]


def loaded_by(statement: str) -> set[str]:
    script = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_importing_churnkit_loads_nothing_heavy():
    heavy = {"mlflow", "bentoml", "lightgbm", "sklearn", "pandas", "pandera", "pyarrow", "numpy"}
    assert not loaded_by("import churnkit") & heavy


def test_loading_and_scoring_a_bundle_imports_no_training_library():
    heavy = {"mlflow", "bentoml", "lightgbm", "sklearn", "pandas", "pandera", "scipy"}
    statement = (
        "import churnkit.bundle.model, churnkit.models.scorers.additive, churnkit.models.scorers.ensemble,"
        " churnkit.trees, churnkit.decisions, churnkit.contracts.encoding.row_encoder, churnkit.contracts.encoding.table_encoder"
    )
    assert not loaded_by(statement) & heavy


def test_packages_are_attributes_of_churnkit_at_runtime_and_for_type_checkers():
    # `nox -s types` checks this file: each attribute must also exist in a stub.
    import churnkit

    assert churnkit.models.ChurnClassifier().profile == "balanced"
    assert churnkit.models.value.BGNBD.__name__ == "BGNBD"
    assert churnkit.decisions.allocate.__name__ == "allocate"
    assert {"load", "models", "evaluation"} <= set(dir(churnkit))


def test_workflows_pin_actions_to_a_commit():
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [line for file in files for line in re.findall(r"uses: *(.+)", file.read_text())]
    assert used
    assert [
        line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line)
    ] == []
