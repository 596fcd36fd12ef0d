"""A folder of a bandit's states, numbered: the newest one serves, older ones can be gone back to."""

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
    """What was learned until a moment.

    Parameters
    ----------
    bandit
        The state.
    until
        Decisions before it are in.
    number
        Its place in the folder, from 1.
    digest
        The identity of its files.
    """

    bandit: LinearBandit
    until: datetime
    number: int
    digest: str = ""


def newest_state(folder: str | os.PathLike[str]) -> Path | None:
    """Return the place of the newest state; None where there is none."""
    place = Path(folder)
    if not place.is_dir():
        return None
    found = [one for one in place.iterdir() if _NUMBER.fullmatch(one.name) and one.is_dir()]
    return max(found, key=lambda one: int(one.name), default=None)


def read_state(place: Path, compiled: CompiledRanking) -> BanditState:
    """Read a state that was learned for a ranking.

    Raises
    ------
    BundleError
        If it was changed, or was learned from other columns, levels or option features.
    """
    bandit, manifest = read_bandit(place)
    until = manifest.lineage.get("until")
    if manifest.lineage.get("reads") != compiled.digest or not isinstance(until, str):
        raise BundleError(
            f"{place} was learned from other columns, categories or option features than this "
            "model's: learn anew (churnkit learn --anew)"
        )
    refuse_unfit(bandit, compiled)
    try:
        moment = datetime.fromisoformat(until).astimezone(UTC)
    except ValueError:
        raise BundleError(f"{place} does not say until when it learned: learn anew") from None
    return BanditState(bandit, moment, int(place.name), manifest.digest)


def write_state(
    folder: str | os.PathLike[str], state: BanditState, compiled: CompiledRanking, *, name: str
) -> Path:
    """Write a state under its number, whole or not at all.

    Raises
    ------
    BundleError
        If the number is taken, as by another run at the same time, or the folder cannot be
        written.
    """
    place = Path(folder) / f"{state.number:06d}"
    lineage = {"until": state.until.astimezone(UTC).isoformat(), "reads": compiled.digest}
    save_bandit(state.bandit, place, name=name, lineage=lineage)
    return place
