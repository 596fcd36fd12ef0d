"""Which candidates a profile sends into the contest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.models.boosted import BoostedTrees
from churnkit.models.logistic import LogisticModel
from churnkit.models.refusals import ModelDataError

if TYPE_CHECKING:
    from churnkit.models.binary import BinaryModel

__all__ = ["PROFILES", "profile_candidates"]

PROFILES = ("fast", "balanced", "accurate")

# Up to so many rows trees learn slowly; with more, noise is a smaller enemy than time.
_FEW_ROWS = 10_000


def profile_candidates(profile: str, *, rows: int, seed: int) -> list[tuple[str, BinaryModel]]:
    """Return the named candidates of a profile, unfitted.

    Parameters
    ----------
    profile
        ``"fast"``, ``"balanced"`` or ``"accurate"``.
    rows
        How many training rows there are.
    seed
        Trees of one profile get seeds of their own from it, so that they err apart.

    Raises
    ------
    ModelDataError
        There is no such profile.

    Examples
    --------
    >>> [name for name, _ in profile_candidates("fast", rows=5000, seed=0)]
    ['logistic', 'trees']
    """
    if profile == "fast":
        trees = BoostedTrees(learning_rate=0.1, num_leaves=8, seed=seed)
        return [("logistic", LogisticModel(bends=5)), ("trees", trees)]
    if profile not in PROFILES:
        raise ModelDataError(f"there is no profile {profile!r}: use one of {', '.join(PROFILES)}")
    # The number of rounds that pay grows with the rows; the rate grows along, to a tenth.
    rate = min(0.1, 0.03 * max(1.0, rows / _FEW_ROWS) ** 0.5)
    if profile == "accurate":
        rate /= 2
    shallow, deep = (4, 16) if rows < 2 * _FEW_ROWS else (16, min(127, int(rows**0.5 / 4)))
    candidates: list[tuple[str, BinaryModel]] = [
        ("logistic", LogisticModel()),
        (
            "trees, shallow",
            BoostedTrees(learning_rate=rate, num_leaves=shallow, feature_fraction=0.3, seed=seed),
        ),
        ("trees, medium", BoostedTrees(learning_rate=rate, num_leaves=8, seed=seed + 1)),
        ("trees, deep", BoostedTrees(learning_rate=rate, num_leaves=deep, seed=seed + 2)),
    ]
    if profile == "accurate":
        # Thresholds drawn at random err elsewhere than searched ones, which a blend can use.
        random = BoostedTrees(
            learning_rate=rate, num_leaves=8, feature_fraction=0.8, extra_trees=True, seed=seed + 3
        )
        candidates.append(("trees, random thresholds", random))
    return candidates
