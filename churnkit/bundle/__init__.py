"""The saved artefact: one folder, no pickle, every byte vouched for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.bundle.contents import Parts
    from churnkit.bundle.locate import load
    from churnkit.bundle.model import RetentionModel
    from churnkit.bundle.project import Project, find_project
    from churnkit.bundle.registry import Registry, Version

_HOMES = {
    "Parts": "contents",
    "Project": "project",
    "Registry": "registry",
    "RetentionModel": "model",
    "Version": "registry",
    "find_project": "project",
    "load": "locate",
}

__all__ = ["Parts", "Project", "Registry", "RetentionModel", "Version", "find_project", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.bundle.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
