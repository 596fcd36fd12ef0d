"""The models of each test fold, kept with a training run for later comparisons.

Each was fitted without the customers of its fold, so that together they score every customer of
the training table as one that was not seen. They are not in the bundle, which serves predictions
and holds the first of them; the bundle records the digest of their folder.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from churnkit.bundle.format.manifest import read_folder, write_folder
from churnkit.bundle.format.npy import read_array, write_array
from churnkit.bundle.parts.evaluation import DOCUMENT, read_evaluation, write_evaluation
from churnkit.errors import BundleError, ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from churnkit.bundle.parts.evaluation import EvaluationModel

__all__ = ["FOLD_MODELS_ARTIFACT", "read_fold_models", "write_fold_models"]

FOLD_MODELS_ARTIFACT = "fold_models"
_FILE = re.compile(r"fold([0-9]{1,2})(?:\.json|/([a-z0-9_]+)\.npy)", re.ASCII)


def write_fold_models(
    folder: Path,
    models: Mapping[int, EvaluationModel],
    *,
    name: str,
    golden: NDArray[np.float64] | None,
) -> str:
    """Write the models to a new folder.

    Parameters
    ----------
    folder
        The folder, which must not exist.
    models
        By the number of the fold that each was fitted without.
    name
        The model's registered name.
    golden
        Rows whose scores are compared when the models are read, shape (g, f).

    Returns
    -------
    str
        Digest of the folder's manifest, ``sha256:...``.
    """
    files = {}
    for fold, model in models.items():
        document, arrays = write_evaluation(model, golden)
        files[f"fold{fold}.json"] = json.dumps(document, sort_keys=True).encode()
        files |= {f"fold{fold}/{key}.npy": write_array(array) for key, array in arrays.items()}
    return write_folder(folder, files, name=name, lineage={}).digest


def read_fold_models(
    folder: Path, *, digest: str, features: int, golden: NDArray[np.float64] | None
) -> dict[int, EvaluationModel]:
    """Read the models, by the number of the fold that each was fitted without.

    Parameters
    ----------
    folder
        From `write_fold_models`.
    digest
        The digest that the bundle records.
    features
        Number of columns that the bundle's contract encodes.
    golden
        The bundle's golden rows.

    Raises
    ------
    BundleError
        If the folder is damaged or has another digest, or a model computes differently.
    """
    manifest, files = read_folder(folder)
    if manifest.digest != digest:
        raise BundleError("the models of the test folds are not those that the bundle records")
    documents: dict[int, bytes] = {}
    arrays: dict[int, dict[str, NDArray[Any]]] = {}
    for file, content in files.items():
        match = _FILE.fullmatch(file)
        if match is None:
            raise BundleError(f"unknown file {file} among the models of the test folds")
        fold = int(match[1])
        if match[2] is None:
            documents[fold] = content
        else:
            arrays.setdefault(fold, {})[match[2]] = read_array(file, content)
    try:
        read = {
            fold: read_evaluation(
                {DOCUMENT: document}, arrays.get(fold, {}), features=features, golden=golden
            )
            for fold, document in sorted(documents.items())
        }
    except BundleError:
        raise
    except (ArithmeticError, ChurnkitError, LookupError, TypeError, ValueError) as error:
        raise BundleError(
            f"the models of the test folds cannot be read: {type(error).__name__}: {error}"
        ) from error
    return {fold: model for fold, model in read.items() if model is not None}
