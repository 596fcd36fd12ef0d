"""Contents of a bundle, and their conversion to and from files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.format.limits import check_catalogue, check_contract, check_golden_rows
from churnkit.bundle.format.npy import read_array, write_array
from churnkit.bundle.parts.causes import read_causes, refuse_unknown_causes, write_causes
from churnkit.bundle.parts.evaluation import EvaluationModel, read_evaluation, write_evaluation
from churnkit.bundle.parts.ranker import Ranker, read_ranker, write_ranker
from churnkit.bundle.parts.survival import read_hazard, write_hazard
from churnkit.bundle.parts.uplift import ActionEffects, read_effects, write_effects
from churnkit.contracts.contract import Contract
from churnkit.errors import BundleError, ChurnkitError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.calibration.venn_abers import VennAbers
from churnkit.models.scorers.base import Scorer, load_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.decisions import Action, Catalogue
    from churnkit.insights.segmentation.kmeans import Clusters
    from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer
    from churnkit.models.survival.scorer import HazardScorer
    from churnkit.timeline import Timeline

__all__ = ["ModelContents", "from_files", "to_files"]

_GROUPS = (
    "scorer", "calibration", "intervals", "golden", "hazard", "ranges", "uplift", "bandit", "evaluation",
    "causes",
)  # fmt: skip
_ARRAY = re.compile(rf"({'|'.join(_GROUPS)})/([a-z0-9_.]+)\.npy", re.ASCII)
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
    "evaluation.json",
    "causes.json",
}
_GOLDEN_TOLERANCE = 1e-12


@dataclass(frozen=True)
class ModelContents:
    """The contents of a bundle.

    Parameters
    ----------
    contract
        Columns, types, rules and category levels.
    scorer
        From encoded features to log-odds.
    calibration
        From log-odds to probability.
    catalogue
        The actions that the model recommends, if any.
    card
        The model card as data: metrics with intervals, rows, churn rate.
    golden
        (g, f) encoded rows, scored again at each load and compared with the stored scores.
    texts
        Each booster by name in LightGBM's own text, for people and other tools; never parsed
        when a bundle is loaded.
    timeline
        How the features are built from raw tables, if the recipe declares it.
    ranges
        (f, 2) training range of each encoded column, for out-of-range warnings; infinite for
        categories.
    hazard
        The hazard model, if the recipe declares durations; of each cause, if it declares causes.
    profile
        Distribution of the training customers in bins, for drift: the data of a
        `churnkit.evaluation.drift.profile.Profile`; None in older bundles.
    clusters
        Behavioral segments that new customers are assigned to; None with too few customers.
    uplift
        Treatment effects that an experiment measured, if any.
    ranker
        The options that the model ranks in place of a catalogue, if any.
    evaluation
        The model of the same settings that was tested; None if `scorer` itself was, as in older
        bundles.
    intervals
        Intervals of the probabilities, from held-out customers; None in older bundles.
    causes
        Hazards of the causes of churn within the outcome window, if the schema has a cause.
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
    hazard: HazardScorer | CompetingRisksScorer | None = None
    profile: Mapping[str, Any] | None = None
    clusters: Clusters | None = None
    uplift: ActionEffects | None = None
    ranker: Ranker | None = None
    evaluation: EvaluationModel | None = None
    intervals: VennAbers | None = None
    causes: CompetingRisksScorer | None = None

    @property
    def rules(self) -> Catalogue | None:
        """The eligibility rules: the catalogue, or the ranking's rules as a catalogue."""
        return self.catalogue if self.ranker is None else self.ranker.ranking.rules

    @property
    def actions(self) -> tuple[Action, ...]:
        """Every action or option that the model recommends."""
        return () if self.rules is None else self.rules.actions


def to_files(contents: ModelContents) -> dict[str, bytes]:
    """Return a bundle's files by name: JSON, arrays, and LightGBM's text."""
    settings, arrays = contents.scorer.to_arrays()
    calibration_settings, calibration_arrays = contents.calibration.to_arrays()
    scorer = {
        "kind": contents.scorer.kind,
        "settings": settings,
        "calibration": calibration_settings,
    }
    documents: dict[str, Mapping[str, Any]] = {"scorer.json": scorer, "card.json": contents.card}
    groups = {"scorer": arrays, "calibration": calibration_arrays}
    if contents.catalogue is not None:
        documents["catalogue.json"] = contents.catalogue.to_dict()
    if contents.profile is not None:
        documents["profile.json"] = contents.profile
    if contents.clusters is not None:
        documents["clusters.json"] = contents.clusters.to_dict()
    groups |= _optional_arrays(contents)
    _add_further_models(contents, documents, groups)
    files = {"contract.json": contents.contract.to_json().encode()}
    if contents.timeline is not None:
        files["timeline.json"] = contents.timeline.to_json().encode()
    files |= {f"trees/{name}.txt": text.encode() for name, text in contents.texts.items()}
    files |= {
        file: json.dumps(dict(document), indent=1, sort_keys=True, allow_nan=False).encode()
        for file, document in documents.items()
    }
    return files | {
        f"{group}/{name}.npy": write_array(array)
        for group, members in groups.items()
        for name, array in members.items()
    }


def _add_further_models(
    contents: ModelContents,
    documents: dict[str, Mapping[str, Any]],
    groups: dict[str, dict[str, NDArray[Any]]],
) -> None:
    """Add the documents and arrays of the models besides the scorer."""
    golden = contents.golden
    if contents.evaluation is not None:
        documents["evaluation.json"], groups["evaluation"] = write_evaluation(
            contents.evaluation, golden
        )
    if contents.hazard is not None:
        documents["hazard.json"], groups["hazard"] = write_hazard(contents.hazard, golden)
    if contents.causes is not None:
        documents["causes.json"], groups["causes"] = write_causes(contents.causes, golden)
    if contents.uplift is not None:
        documents["uplift.json"], groups["uplift"] = write_effects(contents.uplift)
    if contents.ranker is not None:
        ranker_documents, groups["bandit"] = write_ranker(contents.ranker)
        documents |= ranker_documents


def _optional_arrays(contents: ModelContents) -> dict[str, dict[str, NDArray[Any]]]:
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    if contents.golden is not None:
        groups["golden"] = {
            "rows": contents.golden,
            "probability": _scores(contents, contents.golden),
        }
    if contents.ranges is not None:
        groups["ranges"] = {"features": contents.ranges}
    if contents.intervals is not None:
        groups["intervals"] = contents.intervals.to_arrays()
    return groups


def from_files(files: Mapping[str, bytes], *, require_golden: bool = True) -> ModelContents:
    """Restore the contents from files whose digests are verified.

    Parameters
    ----------
    files
        Contents by file name.
    require_golden
        Refuse a bundle without golden rows.

    Raises
    ------
    BundleError
        If a file is missing, exceeds a limit, or does not fit the others, or the golden rows do
        not score as they did when the bundle was saved.
    """
    try:
        contents, golden = _restore(files)
        _check_golden(contents, golden, required=require_golden)
    except BundleError:
        raise
    except KeyError as error:
        raise BundleError(f"the bundle lacks {error}: retrain") from error
    except ChurnkitError as error:
        raise BundleError(f"the bundle cannot be read: {error}") from error
    except (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise BundleError(
            f"the bundle cannot be read: {type(error).__name__}: {error}: fetch it again or retrain"
        ) from error
    return contents


def _restore(files: Mapping[str, bytes]) -> tuple[ModelContents, dict[str, NDArray[Any]]]:
    for file in files:
        if not (file in _DOCUMENTS or _ARRAY.fullmatch(file) or _TEXT.fullmatch(file)):
            raise BundleError(f"unknown file {file}: upgrade churnkit or retrain")
    contract = Contract.from_json(files["contract.json"].decode())
    check_contract(contract)
    scorer = _document(files, "scorer.json")
    card = _document(files, "card.json")
    if scorer is None or card is None:
        missing = "scorer.json" if scorer is None else "card.json"
        raise BundleError(f"the bundle lacks '{missing}': retrain")
    groups = _arrays(files)
    features, golden = len(contract.features), groups["golden"]
    check_golden_rows(len(golden.get("rows", ())))
    catalogue = _catalogue(files)
    contents = ModelContents(
        contract=contract,
        scorer=load_scorer(scorer["kind"], scorer["settings"], groups["scorer"]),
        calibration=Calibration.from_arrays(scorer["calibration"], groups["calibration"]),
        catalogue=catalogue,
        card=card,
        golden=golden.get("rows"),
        texts={m[1]: files[m[0]].decode() for m in map(_TEXT.fullmatch, files) if m},
        timeline=_timeline(files),
        ranges=_ranges(groups["ranges"], features),
        hazard=read_hazard(files, groups["hazard"], features=features, golden=golden.get("rows")),
        profile=_document(files, "profile.json"),
        clusters=_clusters(files, contract),
        uplift=read_effects(files, groups["uplift"], features=features, catalogue=catalogue),
        ranker=read_ranker(files, groups["bandit"], contract),
        evaluation=read_evaluation(
            files, groups["evaluation"], features=features, golden=golden.get("rows")
        ),
        intervals=VennAbers.from_arrays(groups["intervals"]) if groups["intervals"] else None,
        causes=read_causes(files, groups["causes"], features=features, golden=golden.get("rows")),
    )
    if contents.ranker is not None:
        check_catalogue(contents.ranker.ranking.rules)
    if catalogue is not None and catalogue.survival and contents.hazard is None:
        raise BundleError("the catalogue counts value by survival, without a hazard model: retrain")
    refuse_unknown_causes(catalogue, contents.causes)
    return contents, golden


def _scores(contents: ModelContents, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return contents.calibration.apply(contents.scorer.raw_score(rows))


def _check_golden(
    contents: ModelContents, golden: Mapping[str, NDArray[Any]], *, required: bool
) -> None:
    """Score the golden rows again: another machine may compute differently."""
    scorer, features = contents.scorer, len(contents.contract.features)
    if scorer.n_features != features:
        raise BundleError(
            f"the scorer reads {scorer.n_features} columns, the contract encodes {features}: "
            "retrain"
        )
    if contents.golden is None or not len(contents.golden):
        if required:
            raise BundleError(
                "it has no golden rows, so that its scores cannot be checked: retrain, or load it "
                "with require_golden=False"
            )
        return
    shape = (len(golden["probability"]), features)
    if contents.golden.shape != shape or contents.golden.dtype != np.float64:
        raise BundleError("the golden rows do not fit the scorer: retrain")
    # Damaged rows may overflow; the comparison below reports them.
    with np.errstate(all="ignore"):
        scores = _scores(contents, contents.golden)
    if not np.allclose(scores, golden["probability"], rtol=0, atol=_GOLDEN_TOLERANCE):
        raise BundleError(
            "the golden rows do not score as they did when the bundle was saved: this machine or "
            "this version of churnkit computes differently; retrain"
        )


def _document(files: Mapping[str, bytes], name: str) -> dict[str, Any] | None:
    """Return a file's JSON object; None if the bundle lacks the file."""
    if name not in files:
        return None
    document = json.loads(files[name])
    if not isinstance(document, dict):
        raise BundleError(f"{name} is not a JSON object: retrain")
    return document


def _ranges(arrays: Mapping[str, NDArray[Any]], features: int) -> NDArray[np.float64] | None:
    if not arrays:
        return None
    ranges = arrays["features"]
    if ranges.shape != (features, 2) or ranges.dtype != np.float64 or np.isnan(ranges).any():
        raise BundleError("the training ranges do not fit the contract: retrain")
    return ranges


def _clusters(files: Mapping[str, bytes], contract: Contract) -> Clusters | None:
    document = _document(files, "clusters.json")
    if document is None:
        return None
    from churnkit.insights.segmentation.kmeans import Clusters

    clusters = Clusters.from_dict(document)
    if not set(clusters.columns) <= set(contract.feature_names):
        raise BundleError("the segments read columns that the contract lacks: retrain")
    return clusters


def _timeline(files: Mapping[str, bytes]) -> Timeline | None:
    if "timeline.json" not in files:
        return None
    from churnkit.timeline import Timeline

    return Timeline.from_json(files["timeline.json"].decode())


def _catalogue(files: Mapping[str, bytes]) -> Catalogue | None:
    if "catalogue.json" not in files:
        return None
    from churnkit.decisions import Catalogue

    catalogue = Catalogue.from_dict(json.loads(files["catalogue.json"]))
    check_catalogue(catalogue)
    return catalogue


def _arrays(files: Mapping[str, bytes]) -> dict[str, dict[str, NDArray[Any]]]:
    groups: dict[str, dict[str, NDArray[Any]]] = {group: {} for group in _GROUPS}
    for file, content in files.items():
        match = _ARRAY.fullmatch(file)
        if match:
            groups[match[1]][match[2]] = read_array(file, content)
    return groups
