"""Themes of texts: names, size, trend, sentiment, and share among churned customers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.errors import DataError
from churnkit.insights.figure import results_to_frame
from churnkit.insights.text.redaction import Masker
from churnkit.insights.text.sentiment import Sentiment
from churnkit.insights.text.tokenize import COMMON, stem, tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Theme", "Themes", "find_themes"]

_FEWEST_TEXTS = 60
_MOST_FITTED = 8_000
_MOST_TERMS = 2_000
_NUMBERS = (4, 6, 8, 10)
_TOP = 8
_EXAMPLES = 3
_FEWEST_TOGETHER = 3
_LEAST_TIE = 0.1
_LEAST_PART = 0.1
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Theme(Result):
    """A theme of texts.

    Parameters
    ----------
    name
        Strongest terms.
    terms
        More terms, the strongest first.
    texts
        Number of texts with this main theme.
    share
        Share of all texts.
    recent_share, earlier_share
        Share of the later and the earlier half of the texts; None without times.
    positive
        Mean probability of positive sentiment; None without ratings.
    churned_share, stayed_share
        Share of texts of customers who churned within the horizon, and of those who stayed; None
        if unknown.
    examples
        Typical texts, masked.
    """

    name: str
    terms: tuple[str, ...]
    texts: int
    share: float
    recent_share: float | None
    earlier_share: float | None
    positive: float | None
    churned_share: float | None
    stayed_share: float | None
    examples: tuple[str, ...]

    @property
    def lift(self) -> float | None:
        """Share among churned customers divided by the share among the others."""
        if not self.churned_share or not self.stayed_share:
            return None
        return self.churned_share / self.stayed_share

    def to_dict(self) -> dict[str, Any]:
        """Return the theme as JSON-able data."""
        return {**Result.to_dict(self), "lift": self.lift}


@dataclass(frozen=True, slots=True)
class Themes(Result):
    """Themes of a collection of texts, the largest first.

    Parameters
    ----------
    themes
        The themes.
    texts
        Number of texts with words.
    method
        Method in words.
    sentiment
        Source of the sentiment labels in words.
    """

    themes: tuple[Theme, ...]
    texts: int
    method: str
    sentiment: str

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per theme."""
        return results_to_frame(self.themes)


def find_themes(
    texts: Sequence[str],
    *,
    positive: ArrayLike | None = None,
    times: ArrayLike | None = None,
    churned: ArrayLike | None = None,
    embed: Callable[[Sequence[str]], NDArray[np.float64]] | None = None,
    number: int | None = None,
    seed: int = 0,
) -> Themes:
    """Find the themes of a collection of texts.

    TF-IDF weights are factorized by non-negative matrix factorization (NMF). The number of themes
    maximizes coherence (NPMI) plus the share of texts with a theme. With `embed`, texts are grouped
    by k-means on their vectors instead, so that texts with the same meaning but other words belong
    together; the number of themes then maximizes the silhouette. Themes are named by their words.

    Parameters
    ----------
    texts
        Texts, (n,).
    positive : (n,) 1 for a positive rating, 0 for a negative one, NaN if unknown
    times : (n,) times of the texts, of any type that can be sorted
    churned : (n,) 1 if the writer churned within the horizon, 0 if not, NaN if unknown
    embed
        Function from texts to vectors, such as from `churnkit.insights.load_embedder`.
    number
        Number of themes; default: 4, 6, 8 or 10.
    seed
        Random seed.

    Returns
    -------
    Themes
        Themes with at least one text.

    Raises
    ------
    DataError
        If there are fewer than 60 texts with words, or `embed` returns invalid vectors.

    Notes
    -----
    Without ratings, sentiment is learned from churn: the probability that the writer of such a text
    stays. Without either there is no sentiment.

    References
    ----------
    Lee and Seung (1999), Nature 401, 788-791 (NMF). Bouma (2009), GSCL 31-40 (NPMI).
    """
    used = np.array([len(tokens(text)) > 1 for text in texts])
    if used.sum() < _FEWEST_TEXTS:
        raise DataError(
            "the texts",
            [f"themes require at least {_FEWEST_TEXTS} texts with words, got {used.sum()}"],
        )
    vocabulary, fitted, matrix = _weighted(texts, used, seed)
    weights, terms = (
        _grouped(embed, texts, matrix, number, seed)
        if embed
        else _factored(fitted, matrix, number, seed)
    )
    main = _main(weights)
    sentiment, source = _sentiment(texts, positive, churned, seed)
    masker = Masker(texts)
    themes = [
        _theme(
            number, vocabulary, terms[number], weights[:, number], main,
            texts=texts, masker=masker, sentiment=sentiment, times=times, churned=churned,
        )
        for number in range(terms.shape[0])
    ]  # fmt: skip
    themes = [theme for theme in themes if theme.texts]
    method = "k-means on text embeddings" if embed else "TF-IDF and NMF"
    return Themes(
        tuple(sorted(themes, key=lambda theme: (-theme.texts, theme.name))),
        int(used.sum()),
        f"{method}; {len(themes)} themes; each text counts for its strongest theme, "
        f"{float((main < 0).mean()):.0%} of texts have none",
        source,
    )


def _weighted(
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
        min_df=3 if len(distinct) >= _FEWEST_TEXTS else 1,
        max_df=0.5,
        max_features=_MOST_TERMS,
        sublinear_tf=True,
    )
    try:
        fitted = vectorizer.fit_transform(distinct)
    except ValueError:  # what scikit-learn says of texts that share no word
        raise DataError("the texts", ["no word occurs in enough texts to form a theme"]) from None
    kept = np.flatnonzero(_associated(fitted))
    if len(kept) < max(_NUMBERS):
        kept = np.arange(fitted.shape[1])
    words = _as_written(distinct)
    terms = vectorizer.get_feature_names_out()[kept].tolist()
    every = vectorizer.transform(texts)
    return (
        [words[one] for one in terms],
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
        one: min(words, key=lambda word: (-words[word], word)) for one, words in counts.items()
    }  # fmt: skip


def _factored(
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
        candidates.append((float(coherence) + float((_main(weights) >= 0).mean()), model))
    best = max(candidates, key=lambda pair: pair[0])[1]
    return _projected(best.transform(matrix), best), best.components_


def _projected(weights: NDArray[np.float64], model: Any) -> NDArray[np.float64]:
    """Scale weights to the norm of each part in a text of norm one."""
    scaled: NDArray[np.float64] = weights * np.linalg.norm(model.components_, axis=1)
    return scaled


def _main(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each text's strongest part, -1 if none is strong enough."""
    return np.where(weights.max(axis=1) >= _LEAST_PART, weights.argmax(axis=1), -1)


def _nmf(parts: int, seed: int) -> Any:
    from sklearn.decomposition import NMF

    return NMF(parts, init="nndsvda", random_state=seed, max_iter=400, tol=1e-3)


def _grouped(
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
    main = _main(weights)
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


def _sentiment(
    texts: Sequence[str], positive: ArrayLike | None, churned: ArrayLike | None, seed: int
) -> tuple[NDArray[np.float64] | None, str]:
    stayed = None if churned is None else 1.0 - np.asarray(churned, dtype=np.float64)
    for given, source in (
        (positive, "learned from ratings"),
        (stayed, "learned from later churn, since there are no ratings"),
    ):
        if given is None:
            continue
        labels = np.asarray(given, dtype=np.float64)
        rated = np.flatnonzero(np.isfinite(labels))
        try:
            model = Sentiment.fit(
                [texts[at] for at in rated.tolist()], labels[rated] > 0.5, seed=seed
            )
        except DataError:
            continue
        distinct = dict.fromkeys(texts, 0.0)
        scores = model.score(list(distinct))
        distinct = dict(zip(distinct, scores.tolist(), strict=True))
        return np.array([distinct[text] for text in texts]), source
    return None, "none, since there are no ratings and no known churn"


def _theme(
    number: int,
    vocabulary: list[str],
    terms: NDArray[np.float64],
    weight: NDArray[np.float64],
    main: NDArray[np.intp],
    *,
    texts: Sequence[str],
    masker: Masker,
    sentiment: NDArray[np.float64] | None,
    times: ArrayLike | None,
    churned: ArrayLike | None,
) -> Theme:
    members = main == number
    names = [vocabulary[term] for term in np.argsort(-terms, kind="stable")[:_TOP].tolist()]
    recent = earlier = None
    if times is not None:
        order = np.argsort(np.asarray(times), kind="stable")
        half = len(order) // 2
        earlier, recent = _mean(members[order[:half]]), _mean(members[order[half:]])
    churned_share = stayed_share = None
    if churned is not None:
        outcome = np.asarray(churned, dtype=np.float64)
        churned_share, stayed_share = _mean(members[outcome == 1]), _mean(members[outcome == 0])
    return Theme(
        ", ".join(names[:3]),
        tuple(names),
        int(members.sum()),
        float(members.mean()),
        recent,
        earlier,
        None if sentiment is None else _mean(sentiment[members]),
        churned_share,
        stayed_share,
        _examples(texts, np.where(members, weight, 0.0), masker),
    )


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _examples(texts: Sequence[str], weight: NDArray[np.float64], masker: Masker) -> tuple[str, ...]:
    """Pick strong, short and different texts with little to mask."""
    examples: list[str] = []
    word_sets: list[set[str]] = []
    order = [at for at in np.argsort(-weight, kind="stable")[:2_000] if weight[at] > 0]
    masked = [masker.mask(texts[at]) for at in order if 15 <= len(texts[at]) <= _LONGEST]
    for most in (0, 1):
        for text in masked:
            words = set(tokens(text))
            similar = any(len(words & other) >= 0.5 * len(words) for other in word_sets)
            if text.count("[") > most or similar:
                continue
            examples.append(text)
            word_sets.append(words)
            if len(examples) == _EXAMPLES:
                return tuple(examples)
    return tuple(examples)
