"""What customers write about: themes with names, size, trend, mood, and who leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import DataError
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
class Theme:
    """One theme.

    Parameters
    ----------
    name
        Its strongest words.
    terms
        More of them, the strongest first.
    texts
        How many texts have it as their main theme.
    share
        Of all texts.
    recent_share, earlier_share
        Of the texts of the later and the earlier half of the time; None without times.
    content
        Mean probability that the writer is content; None without ratings.
    leaver_share, stayer_share
        Of the texts of those who left within the horizon, and of those who stayed; None where
        that is not known.
    examples
        Typical texts, masked.
    """

    name: str
    terms: tuple[str, ...]
    texts: int
    share: float
    recent_share: float | None
    earlier_share: float | None
    content: float | None
    leaver_share: float | None
    stayer_share: float | None
    examples: tuple[str, ...]

    @property
    def lift(self) -> float | None:
        """Share among leavers over share among stayers."""
        if not self.leaver_share or not self.stayer_share:
            return None
        return self.leaver_share / self.stayer_share

    def to_dict(self) -> dict[str, Any]:
        """Return the theme as JSON-able data."""
        return {**asdict(self), "lift": self.lift}


@dataclass(frozen=True, slots=True)
class Themes:
    """The themes, the largest first, and how they were found.

    Parameters
    ----------
    themes
        Each with its figures.
    texts
        How many texts were read.
    method
        In words.
    mood
        What the mood was learned from, in words.
    """

    themes: tuple[Theme, ...]
    texts: int
    method: str
    mood: str

    def to_dict(self) -> dict[str, Any]:
        """Return the themes as JSON-able data."""
        return {
            "texts": self.texts,
            "method": self.method,
            "mood": self.mood,
            "themes": [theme.to_dict() for theme in self.themes],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a theme."""
        import pandas as pd

        return pd.DataFrame([theme.to_dict() for theme in self.themes])


def find_themes(
    texts: Sequence[str],
    *,
    content: ArrayLike | None = None,
    when: ArrayLike | None = None,
    left: ArrayLike | None = None,
    embed: Callable[[Sequence[str]], NDArray[np.float64]] | None = None,
    number: int | None = None,
    seed: int = 0,
) -> Themes:
    """Find what texts are about.

    Words are weighted (TF-IDF) and split into parts that add up (NMF); the
    number of parts is that whose strongest words stand together most often (NPMI) and which say
    something of most texts. With `embed` the texts are grouped by the directions of their vectors
    instead, so that texts which share no word but mean the same stand together; the number is
    that whose groups are best apart (silhouette). They are named by the same words.

    Parameters
    ----------
    texts
        What was written, (n,).
    content : (n,) 1 content, 0 not, NaN unknown: from ratings or recommendations
    when : (n,) times, of any kind that can be ordered
    left : (n,) 1 if the writer left within the horizon, 0 if not, NaN unknown
    embed
        Gives a vector for each text: `churnkit.insights.load_embedder` of a local folder, or a
        function of your own.
    number
        How many themes; one of 4, 6, 8, 10 if None.
    seed
        The same seed gives the same themes.

    Raises
    ------
    DataError
        If there are fewer than 60 texts with words, or `embed` does not give a vector for each.

    Notes
    -----
    Without ratings, but with known leavers, the mood is that of writers who stayed: how likely a
    writer of such words is still there. Without either there is none.
    """
    words = [tokens(text) for text in texts]
    used = np.array([len(own) > 1 for own in words])
    if used.sum() < _FEWEST_TEXTS:
        raise DataError(
            "the texts", [f"{used.sum()} have words; themes need {_FEWEST_TEXTS} or more"]
        )
    vocabulary, fitted, matrix = _weighted(texts, used, seed)
    weights, terms = (
        _grouped(embed, texts, matrix, number, seed)
        if embed
        else _factored(fitted, matrix, number, seed)
    )
    main = _main(weights)
    mood, said = _mood(texts, content, left, seed)
    masker = Masker(texts)
    found = [
        _theme(
            place, vocabulary, terms[place], weights[:, place], main,
            texts=texts, masker=masker, mood=mood, when=when, left=left,
        )
        for place in range(terms.shape[0])
    ]  # fmt: skip
    found = [theme for theme in found if theme.texts]
    how = "vectors of the texts, grouped" if embed else "TF-IDF and NMF"
    return Themes(
        tuple(sorted(found, key=lambda theme: (-theme.texts, theme.name))),
        int(used.sum()),
        f"{how}; {len(found)} themes; a text counts for its strongest one, "
        f"{float((main < 0).mean()):.0%} have none",
        said,
    )


def _weighted(
    texts: Sequence[str], used: NDArray[np.bool_], seed: int
) -> tuple[list[str], Any, Any]:
    """Weigh words on distinct texts, and return the matrices of these and of all.

    A text that was written a hundred times shapes the themes once.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    distinct = sorted({text for text, is_used in zip(texts, used.tolist(), strict=True) if is_used})
    if len(distinct) > _MOST_FITTED:
        rng = np.random.default_rng(seed)
        places = np.sort(rng.choice(len(distinct), _MOST_FITTED, replace=False))
        distinct = [distinct[place] for place in places.tolist()]
    vectorizer = TfidfVectorizer(
        tokenizer=_themed,
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
        raise DataError("the texts", ["no word is in enough of them to make a theme"]) from None
    kept = np.flatnonzero(_tied(fitted))
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


def _tied(matrix: Any) -> NDArray[np.bool_]:
    """Tell which terms go with at least one other; phrases of courtesy go with all and none."""
    counts, rows = _together(matrix)
    both = counts.toarray()
    alone = np.diag(both).copy()
    np.fill_diagonal(both, 0.0)
    seen = both >= _FEWEST_TOGETHER
    joint = np.where(seen, both, 1.0)
    mutual = np.log(joint * rows / np.outer(alone, alone)) / -np.log(
        np.minimum(joint / rows, 0.999)
    )
    tied: NDArray[np.bool_] = np.where(seen, mutual, -1.0).max(axis=1) >= _LEAST_TIE
    return tied


def _themed(text: str) -> list[str]:
    return [stem(word) for word in tokens(text) if word not in COMMON]


def _as_written(texts: Sequence[str]) -> dict[str, str]:
    """Give each stem the word that is written most often for it."""
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
    """Split into parts; of several numbers take the one whose words belong together most."""
    together = _together(fitted)
    tried = []
    most = min(fitted.shape)
    for parts in sorted({min(parts, most) for parts in ((number,) if number else _NUMBERS)}):
        model = _nmf(parts, seed)
        weights = _projected(model.fit_transform(fitted), model)
        coherence = np.mean([_coherence(row, together) for row in model.components_])
        tried.append((float(coherence) + float((_main(weights) >= 0).mean()), model))
    best = max(tried, key=lambda pair: pair[0])[1]
    return _projected(best.transform(matrix), best), best.components_


def _projected(weights: NDArray[np.float64], model: Any) -> NDArray[np.float64]:
    """Scale weights to the length that each part has in a text of length one."""
    scaled: NDArray[np.float64] = weights * np.linalg.norm(model.components_, axis=1)
    return scaled


def _main(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each text's strongest part, -1 where none is strong."""
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
    """Group texts by the directions of their vectors; a text without one belongs to no group."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    vectors = np.asarray(embed(texts), dtype=np.float64)
    if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
        raise DataError("embed", ["it must give a vector of finite numbers for each text"])
    length = np.linalg.norm(vectors, axis=1)
    known = np.flatnonzero(length > 0)
    unit = vectors[known] / length[known, None]
    distinct = np.unique(unit, axis=0)
    if len(distinct) < 2:
        raise DataError("embed", ["all texts have one vector, so nothing tells them apart"])
    if len(distinct) > _MOST_FITTED:
        places = np.random.default_rng(seed).choice(len(distinct), _MOST_FITTED, replace=False)
        distinct = distinct[np.sort(places)]
    tried = []
    most = len(distinct)
    for parts in sorted({min(parts, most) for parts in ((number,) if number else _NUMBERS)}):
        groups = KMeans(max(parts, 2), n_init=4, random_state=seed).fit(distinct)
        apart = 0.0  # where each vector is a group of its own
        if parts < most:
            rng = np.random.RandomState(seed)
            apart = silhouette_score(
                distinct, groups.labels_, sample_size=min(2_000, most), random_state=rng
            )
        tried.append((float(apart), groups))
    best = max(tried, key=lambda pair: pair[0])[1]
    middle = best.cluster_centers_
    middle = middle / np.maximum(np.linalg.norm(middle, axis=1, keepdims=True), 1e-12)
    weights = np.zeros((len(texts), len(middle)))
    weights[known] = np.maximum(unit @ middle.T, 0.0)
    main = _main(weights)
    whole = np.asarray(matrix.mean(axis=0)).ravel()
    terms = np.stack(
        [
            np.asarray(matrix[main == place].mean(axis=0)).ravel() - whole
            if (main == place).any()
            else -whole
            for place in range(len(middle))
        ]
    )
    return weights, terms


def _together(matrix: Any) -> Any:
    """Count in how many texts two terms stand together."""
    there = (matrix > 0).astype(np.float64)
    return (there.T @ there).tocsr(), there.shape[0]


def _coherence(weights: NDArray[np.float64], together: Any) -> float:
    """Mean normalised pointwise mutual information of a part's strongest terms."""
    counts, rows = together
    top = np.argsort(-weights, kind="stable")[:_TOP]
    found = []
    for one, two in combinations(top.tolist(), 2):
        both, a, b = counts[one, two], counts[one, one], counts[two, two]
        if not both:
            found.append(-1.0)
        elif both == rows:
            found.append(1.0)
        else:
            found.append(float(np.log(both * rows / (a * b)) / -np.log(both / rows)))
    return float(np.mean(found))


def _mood(
    texts: Sequence[str], content: ArrayLike | None, left: ArrayLike | None, seed: int
) -> tuple[NDArray[np.float64] | None, str]:
    for known, said in (
        (content, "learned from the ratings that came with texts"),
        (
            None if left is None else 1.0 - np.asarray(left, dtype=np.float64),
            "no ratings were given: learned from who stayed and who left later",
        ),
    ):
        if known is None:
            continue
        given = np.asarray(known, dtype=np.float64)
        rated = np.flatnonzero(np.isfinite(given))
        try:
            model = Sentiment.fit(
                [texts[place] for place in rated.tolist()], given[rated] > 0.5, seed=seed
            )
        except DataError:
            continue
        distinct = dict.fromkeys(texts, 0.0)
        scores = model.score(list(distinct))
        distinct = dict(zip(distinct, scores.tolist(), strict=True))
        return np.array([distinct[text] for text in texts]), said
    return None, "not known: give a rating, a recommendation or who left"


def _theme(
    place: int,
    vocabulary: list[str],
    terms: NDArray[np.float64],
    weight: NDArray[np.float64],
    main: NDArray[np.intp],
    *,
    texts: Sequence[str],
    masker: Masker,
    mood: NDArray[np.float64] | None,
    when: ArrayLike | None,
    left: ArrayLike | None,
) -> Theme:
    own = main == place
    names = [vocabulary[term] for term in np.argsort(-terms, kind="stable")[:_TOP].tolist()]
    recent = earlier = None
    if when is not None:
        order = np.argsort(np.asarray(when), kind="stable")
        half = len(order) // 2
        earlier, recent = _mean(own[order[:half]]), _mean(own[order[half:]])
    leavers = stayers = None
    if left is not None:
        gone = np.asarray(left, dtype=np.float64)
        leavers, stayers = _mean(own[gone == 1]), _mean(own[gone == 0])
    return Theme(
        ", ".join(names[:3]),
        tuple(names),
        int(own.sum()),
        float(own.mean()),
        recent,
        earlier,
        None if mood is None else _mean(mood[own]),
        leavers,
        stayers,
        _examples(texts, np.where(own, weight, 0.0), masker),
    )


def _mean(values: NDArray[Any]) -> float | None:
    return float(values.mean()) if len(values) else None


def _examples(texts: Sequence[str], weight: NDArray[np.float64], masker: Masker) -> tuple[str, ...]:
    """Pick strong texts that differ, of a length to read, with little to mask."""
    found: list[str] = []
    kept: list[set[str]] = []
    order = [place for place in np.argsort(-weight, kind="stable")[:2_000] if weight[place] > 0]
    masked = [masker.mask(texts[place]) for place in order if 15 <= len(texts[place]) <= _LONGEST]
    for most in (0, 1):
        for text in masked:
            words = set(tokens(text))
            if text.count("[") > most or any(len(words & old) >= 0.5 * len(words) for old in kept):
                continue
            found.append(text)
            kept.append(words)
            if len(found) == _EXAMPLES:
                return tuple(found)
    return tuple(found)
