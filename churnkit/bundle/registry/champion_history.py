"""The versions that were champion, in order, as a tag of the registered model."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["read_champions", "write_champions"]

_TAG: Final = "churnkit.champions"
_MAX_CHAMPIONS: Final = 100


def read_champions(client: Any, name: str) -> list[str]:
    """Return the versions that were champion, the current one last.

    Parameters
    ----------
    client
        MLflow's client.
    name
        Registered name.
    """
    tags = client.get_registered_model(name).tags or {}
    return str(tags.get(_TAG, "")).split()


def write_champions(client: Any, name: str, champions: list[str]) -> None:
    """Replace the list of versions that were champion."""
    client.set_registered_model_tag(name, _TAG, " ".join(champions[-_MAX_CHAMPIONS:]))
