"""Numbered bandit states in a folder: the newest is in use, older ones allow a rollback."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.bundle.parts.bandit import read_bandit, save_bandit
from churnkit.bundle.parts.ranker import refuse_unfit
from churnkit.errors import BundleError

if TYPE_CHECKING:
    import os

    from churnkit.decisions import CompiledRanking
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["BanditState", "newest_state", "read_state", "write_state"]

_NUMBER = re.compile(r"[0-9]{6,}", re.ASCII)


@dataclass(frozen=True, slots=True, eq=False)
class BanditState:
    """A bandit after all updates before a moment.

    Parameters
    ----------
    bandit
        The state.
    until
        The state includes decisions before this time.
    number
        Its number in the folder, from 1.
    digest
        Digest of its files.
    """

    bandit: LinearBandit
    until: datetime
    number: int
    digest: str = ""


def newest_state(folder: str | os.PathLike[str]) -> Path | None:
    """Return the path of the newest state; None if there is none."""
    parent = Path(folder)
    if not parent.is_dir():
        return None
    states = [path for path in parent.iterdir() if _NUMBER.fullmatch(path.name) and path.is_dir()]
    return max(states, key=lambda path: int(path.name), default=None)


def read_state(path: Path, compiled: CompiledRanking) -> BanditState:
    """Read a state and check that it fits a ranking.

    Raises
    ------
    BundleError
        If it was changed, or reads other columns, categories or option features.
    """
    bandit, manifest = read_bandit(path)
    until = manifest.lineage.get("until")
    if manifest.lineage.get("reads") != compiled.digest or not isinstance(until, str):
        raise BundleError(
            f"{path} reads other columns, categories or option features than this model: run "
            "churnkit learn --anew"
        )
    refuse_unfit(bandit, compiled)
    try:
        moment = datetime.fromisoformat(until).astimezone(UTC)
    except ValueError:
        raise BundleError(
            f"{path} has no valid time in 'until': run churnkit learn --anew"
        ) from None
    return BanditState(bandit, moment, int(path.name), manifest.digest)


def write_state(
    folder: str | os.PathLike[str], state: BanditState, compiled: CompiledRanking, *, name: str
) -> Path:
    """Write a state under its number, atomically.

    Raises
    ------
    BundleError
        If the number exists, for example from a concurrent run, or the folder cannot be
        written.
    """
    path = Path(folder) / f"{state.number:06d}"
    lineage = {"until": state.until.astimezone(UTC).isoformat(), "reads": compiled.digest}
    save_bandit(state.bandit, path, name=name, lineage=lineage)
    return path
