"""Themes of texts: names, size, trend, sentiment, and share among churned customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.autologging import without_autologging
from churnkit.core.result import Result
from churnkit.core.translation import _, ngettext
from churnkit.errors import DataError
from churnkit.insights.figure import results_to_frame
from churnkit.insights.text.redaction import Masker
from churnkit.insights.text.sentiment import Sentiment
from churnkit.insights.text.tokenize import tokens
from churnkit.insights.text.topic_models import (
    FEWEST_TEXTS,
    cluster_texts,
    factorize_texts,
    main_theme,
    weigh_terms,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Theme", "Themes", "find_themes"]

_TOP = 8
_EXAMPLES = 3
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


@without_autologging()
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
    positive : (n,)
        1 for a positive rating, 0 for a negative one, NaN if unknown.
    times : (n,)
        Times of the texts, of any type that can be sorted.
    churned : (n,)
        1 if the writer churned within the horizon, 0 if not, NaN if unknown.
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
    if used.sum() < FEWEST_TEXTS:
        raise DataError(
            "the texts",
            [f"themes require at least {FEWEST_TEXTS} texts with words, got {used.sum()}"],
        )
    vocabulary, fitted, matrix = weigh_terms(texts, used, seed)
    weights, terms = (
        cluster_texts(embed, texts, matrix, number, seed)
        if embed
        else factorize_texts(fitted, matrix, number, seed)
    )
    main = main_theme(weights)
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
    method = _("k-means on text embeddings") if embed else _("TF-IDF and NMF")
    return Themes(
        tuple(sorted(themes, key=lambda theme: (-theme.texts, theme.name))),
        int(used.sum()),
        ngettext(
            "{method}; {count} theme; each text counts for its strongest theme, {mean:.0%} of "
            "texts have none",
            "{method}; {count} themes; each text counts for its strongest theme, {mean:.0%} of "
            "texts have none",
            len(themes),
            method=method,
            mean=float((main < 0).mean()),
        ),
        source,
    )


def _sentiment(
    texts: Sequence[str], positive: ArrayLike | None, churned: ArrayLike | None, seed: int
) -> tuple[NDArray[np.float64] | None, str]:
    stayed = None if churned is None else 1.0 - np.asarray(churned, dtype=np.float64)
    for outcome, source in (
        (positive, _("learned from ratings")),
        (stayed, _("learned from later churn, since there are no ratings")),
    ):
        if outcome is None:
            continue
        labels = np.asarray(outcome, dtype=np.float64)
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
    return None, _("none, since there are no ratings and no known churn")


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
