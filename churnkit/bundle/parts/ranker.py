"""The ranking of a model and its initial bandit in a bundle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.decisions.ranking.ranking import Ranking
from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.decisions import CompiledRanking
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["Ranker", "read_ranker", "refuse_unfit", "write_ranker"]

_RANKING, _BANDIT = "ranking.json", "bandit.json"


@dataclass(frozen=True, slots=True, eq=False)
class Ranker:
    """A ranking with its bandit.

    Parameters
    ----------
    ranking
        As the recipe declares it.
    bandit
        In a bundle only the scale of the features; later states are updated from the journal.
    """

    ranking: Ranking
    bandit: LinearBandit


def write_ranker(ranker: Ranker) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a ranker's JSON documents by file, and its arrays."""
    settings, arrays = ranker.bandit.to_arrays()
    return {_RANKING: ranker.ranking.to_dict(), _BANDIT: settings}, arrays


def read_ranker(
    files: Mapping[str, bytes], arrays: Mapping[str, NDArray[Any]], contract: Contract
) -> Ranker | None:
    """Restore the ranker of a bundle; None if it has none.

    Raises
    ------
    BundleError
        If ranking, bandit and contract do not fit together.
    """
    if _RANKING not in files and _BANDIT not in files:
        if arrays:
            raise BundleError(f"the bundle lacks {_BANDIT}: retrain")
        return None
    from churnkit.models.bandit.linear import LinearBandit

    settings = json.loads(files[_BANDIT])
    if not isinstance(settings, dict):
        raise BundleError(f"{_BANDIT} is not a JSON object: retrain")
    ranking = Ranking.from_dict(json.loads(files[_RANKING]))
    bandit = LinearBandit.from_arrays(settings, dict(arrays))
    refuse_unfit(bandit, compile_ranking(ranking, contract.encoded("recommend")))
    return Ranker(ranking, bandit)


def refuse_unfit(bandit: LinearBandit, compiled: CompiledRanking) -> None:
    """Refuse a bandit that reads other columns than a ranking has.

    Raises
    ------
    BundleError
        If the counts of columns, categories or option features differ.
    """
    features = bandit.features
    read = (features.customer_count, dict(features.categories), features.option_count)
    expected = (len(compiled.indices), compiled.categories, compiled.option_features.shape[1])
    if read != expected:
        raise BundleError(
            "the bandit reads other columns, categories or option features than this model: run "
            "churnkit learn --anew"
        )
