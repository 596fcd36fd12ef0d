"""Sentiment classifier trained on rated texts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.core.stats.special import expit
from churnkit.errors import DataError
from churnkit.insights.text.tokenize import tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Sentiment"]

_MOST_TERMS = 30_000
_FEWEST_OF_EACH = 20


@dataclass(frozen=True)
class Sentiment(Result):
    """Logistic regression on TF-IDF of words and word pairs.

    No word list is built in: sentiment is learned from the company's own ratings, in any language.
    Scoring requires only numpy.

    Parameters
    ----------
    weight
        Inverse document frequency and coefficient of each term.
    intercept
        Log-odds of a text without known terms.

    Examples
    --------
    >>> texts = ["good and quick", "bad and slow"] * 30
    >>> model = Sentiment.fit(texts, [True, False] * 30)
    >>> model.score(["good", "slow"]).round()
    array([1., 0.])
    """

    weight: Mapping[str, tuple[float, float]]
    intercept: float

    @classmethod
    def fit(cls, texts: Sequence[str], positive: ArrayLike, *, seed: int = 0) -> Sentiment:
        """Fit the classifier.

        Parameters
        ----------
        texts
            Texts, (n,).
        positive : (n,)
            Whether the rating is positive, such as 4 or 5 of 5.
        seed
            Random seed.

        Returns
        -------
        Sentiment
            The fitted classifier.

        Raises
        ------
        DataError
            If there are fewer than 20 positive or 20 negative texts.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        labels = np.asarray(positive, dtype=bool)
        if min(labels.sum(), (~labels).sum()) < _FEWEST_OF_EACH:
            problem = (
                f"column 'positive': {labels.sum()} positive and {(~labels).sum()} negative texts, at "
                f"least {_FEWEST_OF_EACH} of each are required: provide more texts with a rating"
            )
            raise DataError("the texts", [problem])
        vectorizer = TfidfVectorizer(
            tokenizer=tokens,
            token_pattern=None,
            lowercase=False,
            ngram_range=(1, 2),
            min_df=2,
            max_features=_MOST_TERMS,
            sublinear_tf=True,
        )
        matrix = vectorizer.fit_transform(texts)
        model = LogisticRegression(C=4.0, max_iter=500, random_state=seed).fit(matrix, labels)
        terms = vectorizer.get_feature_names_out().tolist()
        pairs = zip(vectorizer.idf_.tolist(), model.coef_[0].tolist(), strict=True)
        return cls(dict(zip(terms, pairs, strict=True)), float(model.intercept_[0]))

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of positive sentiment of each text, (n,)."""
        raw = np.array([self._raw(text) for text in texts], dtype=np.float64)
        return expit(raw)

    def _raw(self, text: str) -> float:
        words = tokens(text)
        counts: dict[str, int] = {}
        for term in [*words, *(f"{a} {b}" for a, b in pairwise(words))]:
            if term in self.weight:
                counts[term] = counts.get(term, 0) + 1
        length = total = 0.0
        for term, count in counts.items():
            idf, coefficient = self.weight[term]
            part = (1.0 + float(np.log(count))) * idf
            length += part * part
            total += part * coefficient
        return self.intercept + (total / length**0.5 if length else 0.0)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Sentiment:
        """Restore a model from `to_dict`."""
        weight = {term: (pair[0], pair[1]) for term, pair in data["weight"].items()}
        return cls(weight, data["intercept"])
