"""Sentence embeddings from a model in a local folder; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Embedder = Callable[[Sequence[str]], NDArray[np.float64]]

__all__ = ["load_embedder"]

_FILES = ("config.json", "model.safetensors", "tokenizer.json")


def load_embedder(path: str | os.PathLike[str]) -> Embedder:
    """Load a static sentence model (Model2Vec) from a folder.

    Parameters
    ----------
    path
        Folder with ``config.json``, ``model.safetensors`` and ``tokenizer.json``, as
        ``StaticModel.save_pretrained`` writes it. For any other model pass
        `find_themes` a function from texts to vectors.

    Returns
    -------
    callable
        Function from texts to vectors, (n, d); zero for a text without known words.

    Raises
    ------
    DataError
        If the folder or a file is missing, or cannot be read.
    MissingExtraError
        If the extra ``embeddings`` is not installed.
    """
    folder = Path(path)
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        # Checked first: the library would look up any other name on a model hub.
        problem = f"has no {missing[0]}" if folder.is_dir() else "is not a folder"
        raise DataError(
            "the sentence model",
            [f"{folder} {problem}: expected a Model2Vec model with {', '.join(_FILES)}"],
        )
    try:
        from model2vec import StaticModel
    except ImportError:
        raise MissingExtraError("embeddings", "model2vec") from None
    try:
        model = StaticModel.from_pretrained(folder, force_download=False)
    except Exception as error:  # noqa: BLE001  (three libraries read these files and raise different errors)
        raise DataError(
            "the sentence model", [f"{folder} cannot be read ({type(error).__name__})"]
        ) from None

    def embed(texts: Sequence[str]) -> NDArray[np.float64]:
        if not len(texts):
            return np.zeros((0, model.dim))
        vectors = model.encode(list(texts), use_multiprocessing=False)
        return np.nan_to_num(np.asarray(vectors, dtype=np.float64))

    return embed
