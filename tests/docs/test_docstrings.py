"""Public docstrings follow numpydoc: sections, parameters and returns."""

from __future__ import annotations

import inspect
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

validate = pytest.importorskip("numpydoc.validate", reason="the extra 'test' is not installed")

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
CHECKS = set(SETTINGS["numpydoc_validation"]["checks"])
PACKAGES = [
    "churnkit",
    *(
        f"churnkit.{stub.parent.name}"
        for stub in sorted((ROOT / "churnkit").glob("*/__init__.pyi"))
    ),
    "churnkit.models.value",
]


def public_objects(package):
    module = import_module(package)
    for name in getattr(module, "__all__", ()):
        public = getattr(module, name)
        # A protocol is not constructed and has no parameters.
        if getattr(public, "_is_protocol", False):
            continue
        if inspect.isclass(public) or inspect.isfunction(public):
            yield f"{public.__module__}.{public.__qualname__}"


@pytest.mark.quality
@pytest.mark.parametrize("package", PACKAGES)
def test_public_functions_and_classes_are_documented_as_numpydoc_says(package):
    faults = [
        f"{name}: {code} {message}"
        for name in sorted(set(public_objects(package)))
        for code, message in validate.validate(name)["errors"]
        # Fields that begin with an underscore are no parameters for users.
        if code in CHECKS and not (code == "PR01" and not re.search(r"'[a-zA-Z*]", message))
    ]
    assert faults == []
