"""Lazy exports of a package, read from its stub ``__init__.pyi`` (PEP 562, as in SPEC 1).

Editors and type checkers read the same stub, so each name is written once. Unlike
``lazy_loader``, the stub is read through the package's loader (Spark ships churnkit as a zip)
and may name modules of other packages.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pkgutil import get_data
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def attach_stub(
    package: str,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` for a package with a stub.

    Parameters
    ----------
    package
        The package's ``__name__``.

    Returns
    -------
    tuple
        The three module attributes of PEP 562. A name is imported on first use and then kept.
    """
    modules: dict[str, str] = {}
    submodules: set[str] = set()
    stub = get_data(package, "__init__.pyi") or b""
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom):
            if node.module is None:
                submodules |= {alias.name for alias in node.names}
            else:
                prefix = f"{package}." if node.level else ""
                modules |= {alias.name: prefix + node.module for alias in node.names}

    def load(name: str) -> Any:
        if name in submodules:
            return import_module(f"{package}.{name}")
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(modules[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    exported = sorted(modules)
    return load, lambda: sorted({*exported, *submodules}), exported
