"""Which files a bundle holds, and how a model becomes them and comes back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.format.npy import read_array, write_array
from churnkit.bundle.parts.ranker import Ranker, read_ranker, write_ranker
from churnkit.bundle.parts.survival import read_hazard, write_hazard
from churnkit.bundle.parts.uplift import TriedActions, read_tried, write_tried
from churnkit.contracts.contract import Contract
from churnkit.errors import BundleError, ChurnkitError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.base import Scorer, load_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.decisions import Action, Catalogue
    from churnkit.insights.segmentation.kmeans import Clusters
    from churnkit.models.survival.scorer import HazardScorer
    from churnkit.timeline import Timeline

__all__ = ["Parts", "from_files", "to_files"]

_ARRAY = re.compile(
    r"(scorer|calibration|golden|hazard|ranges|uplift|bandit)/([a-z0-9_.]+)\.npy", re.ASCII
)
_TEXT = re.compile(r"trees/([a-z0-9_]+)\.txt", re.ASCII)
_DOCUMENTS = {
    "contract.json",
    "scorer.json",
    "card.json",
    "catalogue.json",
    "hazard.json",
    "uplift.json",
    "timeline.json",
    "profile.json",
    "clusters.json",
    "ranking.json",
    "bandit.json",
}
_GOLDEN_TOLERANCE = 1e-12


@dataclass(frozen=True)
class Parts:
    """What a bundle is made of.

    Parameters
    ----------
    contract
        With the levels of every category.
    scorer
        From the encoded features to log-odds.
    calibration
        From log-odds to probability.
    catalogue
        The actions that can be recommended, if the recipe names any.
    card
        The facts of the training run: metrics with intervals, rows, churn rate.
    golden
        Encoded rows, (g, f): replayed at each load against the probabilities they had.
    texts
        Each booster by name in LightGBM's own text, for people and other tools; never parsed
        when a bundle is loaded.
    timeline
        How the features are made from raw tables, if the recipe says so.
    ranges
        The least and the greatest number of each encoded column that all but a few training
        customers had, (f, 2); infinite for categories. A service warns of what lies outside.
    hazard
        When customers leave, if the recipe says how long they were watched.
    profile
        How the training customers spread, as counts in bins: the data of a
        `churnkit.evaluation.drift.profile.Profile`, which nobody needs for scoring; None in older
        bundles.
    clusters
        Groups of customers who behave alike, to which new customers are assigned; None where
        there were too few.
    tried
        The measured effects of actions that an experiment tried, if there was one.
    ranker
        The options that it ranks instead of a catalogue, if the recipe says so.
    """

    contract: Contract
    scorer: Scorer
    calibration: Calibration
    catalogue: Catalogue | None = None
    card: Mapping[str, Any] = field(default_factory=dict)
    golden: NDArray[np.float64] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    timeline: Timeline | None = None
    ranges: NDArray[np.float64] | None = None
    hazard: HazardScorer | None = None
    profile: Mapping[str, Any] | None = None
    clusters: Clusters | None = None
    tried: TriedActions | None = None
    ranker: Ranker | None = None

    @property
    def rules(self) -> Catalogue | None:
        """What bars an action or an option: the catalogue, or the ranking's rules as one."""
        return self.catalogue if self.ranker is None else self.ranker.ranking.rules

    @property
    def actions(self) -> tuple[Action, ...]:
        """All that can be recommended."""
        return () if self.rules is None else self.rules.actions


def to_files(parts: Parts) -> dict[str, bytes]:
    """Turn a model's parts into the files of a bundle: JSON, arrays, and one text for people."""
    settings, arrays = parts.scorer.to_arrays()
    calibration_settings, calibration_arrays = parts.calibration.to_arrays()
    files = {
        "contract.json": parts.contract.to_json().encode(),
        "scorer.json": _json(
            {
                "kind": parts.scorer.kind,
                "settings": settings,
                "calibration": calibration_settings,
            }
        ),
        "card.json": _json(dict(parts.card)),
    }
    files |= _optional_documents(parts)
    groups = {"scorer": arrays, "calibration": calibration_arrays}
    if parts.golden is not None:
        raw = parts.scorer.raw_score(parts.golden)
        groups["golden"] = {"rows": parts.golden, "probability": parts.calibration.apply(raw)}
    if parts.hazard is not None:
        described, groups["hazard"] = write_hazard(parts.hazard, parts.golden)
        files["hazard.json"] = _json(described)
    if parts.tried is not None:
        described, groups["uplift"] = write_tried(parts.tried)
        files["uplift.json"] = _json(described)
    if parts.ranker is not None:
        documents, groups["bandit"] = write_ranker(parts.ranker)
        files |= {file: _json(document) for file, document in documents.items()}
    if parts.ranges is not None:
        groups["ranges"] = {"features": parts.ranges}
    for group, members in groups.items():
        for name, array in members.items():
            files[f"{group}/{name}.npy"] = write_array(array)
    return files


def _optional_documents(parts: Parts) -> dict[str, bytes]:
    files = {f"trees/{name}.txt": text.encode() for name, text in parts.texts.items()}
    if parts.catalogue is not None:
        files["catalogue.json"] = _json(parts.catalogue.to_dict())
    if parts.timeline is not None:
        files["timeline.json"] = parts.timeline.to_json().encode()
    if parts.profile is not None:
        files["profile.json"] = _json(dict(parts.profile))
    if parts.clusters is not None:
        files["clusters.json"] = _json(parts.clusters.to_dict())
    return files


def from_files(files: Mapping[str, bytes]) -> Parts:
    """Rebuild the parts from files whose digests have been verified.

    Raises
    ------
    BundleError
        If a file is missing or does not fit the others, or the golden rows do not score as
        they did when the bundle was packed.
    """
    try:
        parts, golden = _parts(files)
        _replay(parts, golden)
    except BundleError:
        raise
    except KeyError as error:
        raise BundleError(f"the bundle lacks {error}: train again") from error
    except ChurnkitError as error:
        raise BundleError(f"the bundle cannot be read: {error}") from error
    except (ArithmeticError, AttributeError, EOFError, LookupError, MemoryError) as error:
        raise _unreadable(error) from error
    except (RecursionError, TypeError, ValueError) as error:
        raise _unreadable(error) from error
    return parts


def _unreadable(error: Exception) -> BundleError:
    return BundleError(
        f"the bundle cannot be read: {type(error).__name__}: {error}: fetch it again, or train again"
    )


def _parts(files: Mapping[str, bytes]) -> tuple[Parts, dict[str, NDArray[Any]]]:
    strange = [f for f in files if f not in _DOCUMENTS and not _ARRAY.fullmatch(f)]
    strange = [file for file in strange if not _TEXT.fullmatch(file)]
    if strange:
        raise BundleError(
            f"{strange[0]} is not a file that this churnkit knows: upgrade it, or train again"
        )
    contract = Contract.from_json(files["contract.json"].decode())
    described = json.loads(files["scorer.json"])
    card = json.loads(files["card.json"])
    if not (isinstance(described, dict) and isinstance(card, dict)):
        raise BundleError("scorer.json and card.json are not a bundle's: train again")
    groups = _arrays(files)
    catalogue = _catalogue(files)
    parts = Parts(
        contract=contract,
        scorer=load_scorer(described["kind"], described["settings"], groups["scorer"]),
        calibration=Calibration.from_arrays(described["calibration"], groups["calibration"]),
        catalogue=catalogue,
        card=card,
        golden=groups["golden"].get("rows"),
        texts={m[1]: files[m[0]].decode() for m in map(_TEXT.fullmatch, files) if m},
        timeline=_timeline(files),
        ranges=_ranges(groups["ranges"], len(contract.features)),
        hazard=read_hazard(
            files,
            groups["hazard"],
            features=len(contract.features),
            golden=groups["golden"].get("rows"),
        ),
        profile=_profile(files),
        clusters=_clusters(files, contract),
        tried=read_tried(
            files, groups["uplift"], features=len(contract.features), catalogue=catalogue
        ),
        ranker=read_ranker(files, groups["bandit"], contract),
    )
    if catalogue is not None and catalogue.survival and parts.hazard is None:
        raise BundleError("the catalogue counts by survival, and there is no hazard: train again")
    return parts, groups["golden"]


def _replay(parts: Parts, golden: Mapping[str, NDArray[Any]]) -> None:
    """Score the golden rows again: the same model on another machine may compute otherwise."""
    if parts.scorer.n_features != len(parts.contract.features):
        raise BundleError(
            f"the scorer reads {parts.scorer.n_features} columns, the contract encodes "
            f"{len(parts.contract.features)}: train again"
        )
    if parts.golden is None:
        return
    shape = (len(golden["probability"]), parts.scorer.n_features)
    if parts.golden.shape != shape or parts.golden.dtype != np.float64:
        raise BundleError("the bundle's golden rows do not fit its scorer: train again")
    # Numbers that overflow are no golden row's: the comparison says so.
    with np.errstate(all="ignore"):
        got = parts.calibration.apply(parts.scorer.raw_score(parts.golden))
    if not np.allclose(got, golden["probability"], rtol=0, atol=_GOLDEN_TOLERANCE):
        raise BundleError(
            "the bundle's golden rows do not score as they did when it was packed: this machine "
            "or this version of churnkit computes otherwise; train again"
        )


def _ranges(arrays: Mapping[str, NDArray[Any]], features: int) -> NDArray[np.float64] | None:
    if not arrays:
        return None
    ranges = arrays["features"]
    if ranges.shape != (features, 2) or ranges.dtype != np.float64 or np.isnan(ranges).any():
        raise BundleError("the bundle's ranges do not fit its contract: train again")
    return ranges


def _profile(files: Mapping[str, bytes]) -> Mapping[str, Any] | None:
    if "profile.json" not in files:
        return None
    profile = json.loads(files["profile.json"])
    if not isinstance(profile, dict):
        raise BundleError("profile.json is not a bundle's: train again")
    return profile


def _clusters(files: Mapping[str, bytes], contract: Contract) -> Clusters | None:
    if "clusters.json" not in files:
        return None
    from churnkit.insights.segmentation.kmeans import Clusters

    found = Clusters.from_dict(json.loads(files["clusters.json"]))
    if not set(found.columns) <= set(contract.feature_names):
        raise BundleError("the bundle's groups read columns that its contract lacks: train again")
    return found


def _timeline(files: Mapping[str, bytes]) -> Timeline | None:
    if "timeline.json" not in files:
        return None
    from churnkit.timeline import Timeline

    return Timeline.from_json(files["timeline.json"].decode())


def _catalogue(files: Mapping[str, bytes]) -> Catalogue | None:
    if "catalogue.json" not in files:
        return None
    from churnkit.decisions import Catalogue

    return Catalogue.from_dict(json.loads(files["catalogue.json"]))


def _arrays(files: Mapping[str, bytes]) -> dict[str, dict[str, NDArray[Any]]]:
    groups: dict[str, dict[str, NDArray[Any]]] = {
        group: {}
        for group in ("scorer", "calibration", "golden", "hazard", "ranges", "uplift", "bandit")
    }
    for file, content in files.items():
        match = _ARRAY.fullmatch(file)
        if match:
            groups[match[1]][match[2]] = read_array(file, content)
    return groups


def _json(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, indent=1, sort_keys=True, allow_nan=False).encode()
