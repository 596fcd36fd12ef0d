"""Save and load bandit states: a folder of JSON and arrays with digests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from churnkit.bundle.format.manifest import Manifest, read_folder, write_folder
from churnkit.bundle.format.npy import read_array, write_array
from churnkit.errors import BundleError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["load_bandit", "read_bandit", "save_bandit"]

_SETTINGS = "bandit.json"
_PREFIX, _SUFFIX = "bandit/", ".npy"


def save_bandit(
    bandit: LinearBandit,
    path: str | os.PathLike[str],
    *,
    name: str = "bandit",
    lineage: Mapping[str, Any] | None = None,
) -> Manifest:
    """Save a bandit's state to a new folder, atomically.

    Parameters
    ----------
    bandit
        The state.
    path
        The folder to create.
    name, lineage
        For the manifest.

    Returns
    -------
    Manifest
        Its `digest` identifies the state, for the journal's `model_digest`.

    Raises
    ------
    BundleError
        If the folder exists or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from churnkit.models import LinearBandit
    >>> folder = tempfile.mkdtemp() + "/state"
    >>> save_bandit(LinearBandit.new(customer_features=2), folder).name
    'bandit'
    >>> load_bandit(folder).version
    0
    """
    settings, arrays = bandit.to_arrays()
    files = {f"{_PREFIX}{key}{_SUFFIX}": write_array(array) for key, array in arrays.items()}
    files[_SETTINGS] = json.dumps(settings, sort_keys=True, allow_nan=False).encode()
    return write_folder(
        path, files, name=name, lineage={**(lineage or {}), "version": bandit.version}
    )


def load_bandit(path: str | os.PathLike[str]) -> LinearBandit:
    """Load a bandit's state.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    LinearBandit

    Raises
    ------
    BundleError
        If the folder is missing, was changed, or is not a bandit's.
    """
    return read_bandit(path)[0]


def read_bandit(path: str | os.PathLike[str]) -> tuple[LinearBandit, Manifest]:
    """Load a bandit's state with its manifest; raises as `load_bandit`."""
    from churnkit.models.bandit.linear import LinearBandit

    manifest, files = read_folder(path)
    if _SETTINGS not in files:
        raise BundleError(f"{path} is a bundle without a bandit state: it has no {_SETTINGS}")
    try:
        settings: Any = json.loads(files[_SETTINGS])
    except (ValueError, RecursionError):
        raise BundleError(f"{path}: {_SETTINGS} is not JSON: run churnkit learn again") from None
    if not isinstance(settings, dict):
        raise BundleError(f"{path}: {_SETTINGS} is not a bandit state: run churnkit learn again")
    arrays = {
        file.removeprefix(_PREFIX).removesuffix(_SUFFIX): read_array(file, content)
        for file, content in files.items()
        if file.startswith(_PREFIX) and file.endswith(_SUFFIX)
    }
    return LinearBandit.from_arrays(settings, arrays), manifest
