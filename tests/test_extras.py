"""The command that installs a missing extra, and the name of the distribution."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from churnkit import __version__
from churnkit._extras import DISTRIBUTION, pip_command
from churnkit.errors import MissingExtraError

ROOT = Path(__file__).parent.parent
INSTALLED = {"alpha": "1.5", "gamma": "3.0"}
REQUIRES = [
    "numpy>=2.0",
    "alpha>=2.0; extra == 'train'",
    "beta[fast]>=0.3; extra == 'train'",
    "gamma>=3; extra == 'train'",
    "delta>=1; sys_platform == 'none' and extra == 'train'",
    f"{DISTRIBUTION}[train]; extra == 'all'",
    "epsilon; extra == 'all'",
]
# `pip install churnkit`, `churnkit[train]` and `churnkit==1.0` would install another project.
OTHER_PROJECT = re.compile(
    r"\bchurnkit(\[[a-z]|\s*[=~<>]=)|\b(install|add)\s[^\n`|&;]*[\s'\"]churnkit(?![-./\w])"
)


@pytest.fixture
def installed(monkeypatch):
    """Pretend that these packages are installed, and that the library requires those."""

    def version(name):
        if name not in INSTALLED:
            raise metadata.PackageNotFoundError(name)
        return INSTALLED[name]

    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(metadata, "version", version)


def test_missing_and_outdated_packages_are_named_with_their_bounds(installed):
    assert pip_command("train") == "pip install 'alpha>=2.0' 'beta[fast]>=0.3'"


def test_an_extra_that_includes_another_names_the_packages_of_both(installed):
    assert pip_command("all") == "pip install 'alpha>=2.0' 'beta[fast]>=0.3' 'epsilon'"
    assert pip_command("train", "all") == pip_command("all")


def test_a_package_that_is_installed_and_does_not_import_is_named_too(installed):
    assert "'gamma>=3'" in pip_command("train", package="gamma")


def test_an_extra_whose_packages_are_all_installed_is_named_in_full(installed, monkeypatch):
    monkeypatch.setattr(metadata, "version", lambda _: "9.0")
    assert pip_command("train") == "pip install 'alpha>=2.0' 'beta[fast]>=0.3' 'gamma>=3'"


def test_without_metadata_the_package_alone_is_named(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    assert pip_command("train", package="mlflow") == "pip install mlflow"
    message = str(MissingExtraError("train", "mlflow"))
    assert message.endswith("(extra 'train'). Install it with: pip install mlflow")


def test_name_and_version_are_the_distributions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["name"] == DISTRIBUTION != "churnkit"
    assert project["version"] == __version__


def test_no_page_or_message_names_the_other_project():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is not a clone of the repository")
    hits = [
        f"{name}:{number}"
        for name in listed.stdout.split("\0")
        if name and name != "tests/test_extras.py" and (ROOT / name).is_file()
        for number, line in enumerate(
            (ROOT / name).read_text(encoding="utf-8", errors="replace").splitlines(), 1
        )
        if OTHER_PROJECT.search(line)
    ]
    assert hits == []
