"""Split texts into themes: term weights, NMF, and clustering of embeddings."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import DataError
from churnkit.insights.text.tokenize import COMMON, stem, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["FEWEST_TEXTS", "cluster_texts", "factorize_texts", "main_theme", "weigh_terms"]

FEWEST_TEXTS = 60
_MOST_FITTED = 8_000
_MOST_TERMS = 2_000
_NUMBERS = (4, 6, 8, 10)
_TOP = 8
_FEWEST_TOGETHER = 3
_LEAST_TIE = 0.1
_LEAST_PART = 0.1


def weigh_terms(
    texts: Sequence[str], used: NDArray[np.bool_], seed: int
) -> tuple[list[str], Any, Any]:
    """Return the vocabulary and the TF-IDF matrices of the distinct texts and of all texts."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    distinct = sorted({text for text, is_used in zip(texts, used.tolist(), strict=True) if is_used})
    if len(distinct) > _MOST_FITTED:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(len(distinct), _MOST_FITTED, replace=False))
        distinct = [distinct[at] for at in chosen.tolist()]
    vectorizer = TfidfVectorizer(
        tokenizer=_theme_terms,
        token_pattern=None,
        lowercase=False,
        min_df=3 if len(distinct) >= FEWEST_TEXTS else 1,
        max_df=0.5,
        max_features=_MOST_TERMS,
        sublinear_tf=True,
    )
    try:
        fitted = vectorizer.fit_transform(distinct)
    except ValueError:  # raised by scikit-learn for texts without a common word
        raise DataError("the texts", ["no word occurs in enough texts to form a theme"]) from None
    kept = np.flatnonzero(_associated(fitted))
    if len(kept) < max(_NUMBERS):
        kept = np.arange(fitted.shape[1])
    words = _as_written(distinct)
    terms = vectorizer.get_feature_names_out()[kept].tolist()
    every = vectorizer.transform(texts)
    return (
        [words[term] for term in terms],
        normalize(fitted[:, kept]),
        normalize(every[:, kept]),
    )


def _associated(matrix: Any) -> NDArray[np.bool_]:
    """Return which terms are associated with another one; polite phrases are not."""
    counts, rows = _cooccurrence(matrix)
    both = counts.toarray()
    alone = np.diag(both).copy()
    np.fill_diagonal(both, 0.0)
    seen = both >= _FEWEST_TOGETHER
    joint = np.where(seen, both, 1.0)
    mutual = np.log(joint * rows / np.outer(alone, alone)) / -np.log(
        np.minimum(joint / rows, 0.999)
    )
    associated: NDArray[np.bool_] = np.where(seen, mutual, -1.0).max(axis=1) >= _LEAST_TIE
    return associated


def _theme_terms(text: str) -> list[str]:
    return [stem(word) for word in tokens(text) if word not in COMMON]


def _as_written(texts: Sequence[str]) -> dict[str, str]:
    """Map each stem to its most frequent word."""
    counts: dict[str, Counter[str]] = {}
    for text in texts:
        for word in tokens(text):
            counts.setdefault(stem(word), Counter())[word] += 1
    return {
        root: min(words, key=lambda word: (-words[word], word)) for root, words in counts.items()
    }  # fmt: skip


def factorize_texts(
    fitted: Any, matrix: Any, number: int | None, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factorize by NMF; the number of parts maximizes coherence plus coverage."""
    counts = _cooccurrence(fitted)
    candidates = []
    most = min(fitted.shape)
    for parts in sorted({min(parts, most) for parts in ((number,) if number else _NUMBERS)}):
        model = _nmf(parts, seed)
        weights = _projected(model.fit_transform(fitted), model)
        coherence = np.mean([_coherence(row, counts) for row in model.components_])
        candidates.append((float(coherence) + float((main_theme(weights) >= 0).mean()), model))
    best = max(candidates, key=lambda pair: pair[0])[1]
    return _projected(best.transform(matrix), best), best.components_


def _projected(weights: NDArray[np.float64], model: Any) -> NDArray[np.float64]:
    """Scale weights to the norm of each part in a text of norm one."""
    scaled: NDArray[np.float64] = weights * np.linalg.norm(model.components_, axis=1)
    return scaled


def main_theme(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each text's strongest part, -1 if none is strong enough."""
    return np.where(weights.max(axis=1) >= _LEAST_PART, weights.argmax(axis=1), -1)


def _nmf(parts: int, seed: int) -> Any:
    from sklearn.decomposition import NMF

    return NMF(parts, init="nndsvda", random_state=seed, max_iter=400, tol=1e-3)


def cluster_texts(
    embed: Callable[[Sequence[str]], NDArray[np.float64]],
    texts: Sequence[str],
    matrix: Any,
    number: int | None,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cluster texts by the direction of their vectors; zero vectors belong to no cluster."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    vectors = np.asarray(embed(texts), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise DataError("embed", ["must return one vector of finite numbers per text"])
    length = np.linalg.norm(vectors, axis=1)
    nonzero = np.flatnonzero(length > 0)
    unit = vectors[nonzero] / length[nonzero, None]
    distinct = np.unique(unit, axis=0)
    if len(distinct) < 2:
        raise DataError("embed", ["must return at least two different vectors"])
    if len(distinct) > _MOST_FITTED:
        chosen = np.random.default_rng(seed).choice(len(distinct), _MOST_FITTED, replace=False)
        distinct = distinct[np.sort(chosen)]
    candidates = []
    most = len(distinct)
    for parts in sorted({min(parts, most) for parts in ((number,) if number else _NUMBERS)}):
        groups = KMeans(max(parts, 2), n_init=4, random_state=seed).fit(distinct)
        silhouette = 0.0  # undefined if each vector is its own cluster
        if parts < most:
            rng = np.random.RandomState(seed)
            silhouette = silhouette_score(
                distinct, groups.labels_, sample_size=min(2_000, most), random_state=rng
            )
        candidates.append((float(silhouette), groups))
    best = max(candidates, key=lambda pair: pair[0])[1]
    middle = best.cluster_centers_
    middle = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    weights = np.zeros((len(texts), len(middle)))
    weights[nonzero] = np.maximum(unit @ middle.T, 0.0)
    main = main_theme(weights)
    mean = np.asarray(matrix.mean(axis=0)).ravel()
    terms = np.stack(
        [
            np.asarray(matrix[main == group].mean(axis=0)).ravel() - mean
            if (main == group).any()
            else -mean
            for group in range(len(middle))
        ]
    )
    return weights, terms


def _cooccurrence(matrix: Any) -> Any:
    """Return the number of texts with both of two terms, and the number of texts."""
    present = (matrix > 0).astype(np.float64)
    return (present.T @ present).tocsr(), present.shape[0]


def _coherence(weights: NDArray[np.float64], cooccurrence: Any) -> float:
    """Return the mean normalized pointwise mutual information (NPMI) of the strongest terms."""
    counts, rows = cooccurrence
    top = np.argsort(-weights, kind="stable")[:_TOP]
    scores = []
    for first, second in combinations(top.tolist(), 2):
        both, a, b = counts[first, second], counts[first, first], counts[second, second]
        if not both:
            scores.append(-1.0)
        elif both == rows:
            scores.append(1.0)
        else:
            scores.append(float(np.log(both * rows / (a * b)) / -np.log(both / rows)))
    return float(np.mean(scores))
