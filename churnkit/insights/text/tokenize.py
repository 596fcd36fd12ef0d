"""Split texts into words and stems."""

from __future__ import annotations

import re

__all__ = ["COMMON", "stem", "tokens"]

_WORD = re.compile(r"[^\W\d_]{2,}(?:['\N{RIGHT SINGLE QUOTATION MARK}]t)?")

# English stop words. In other languages only words in more than half of all texts are dropped.
COMMON = frozenset(
    """
    about above after again against all also although always am an and any are aren't as at be
    because been before being below between both but by can can't cannot could couldn't did didn't
    do does doesn't doing don't down during each even ever every few first for from further get
    gets getting give given go goes going good got great had hadn't has hasn't have haven't having
    he her here hers herself him himself his how however if in into is isn't it its itself just
    know last like little long looks love made make makes many may me might more most much must
    mustn't my myself near need needs never new next no nobody none nor not nothing now of off on
    once one only or other others our ours ourselves out over own perhaps put quite rather really
    said same say says see she should shouldn't since so some still such sure take than that the
    their theirs them themselves then there these they thing things think this those though three
    through to too two under until up us use used very want wanted wants was wasn't way we well
    were weren't what when where which while who whom why will with without won't would wouldn't
    yet you your yours yourself yourselves please thank thanks look into
    """.split()  # noqa: SIM905  (one word per line would be hard to read)
)


def tokens(text: str) -> list[str]:
    """Split a text into lower-case words of two letters or more, without numbers.

    Examples
    --------
    >>> tokens("Sync doesn't work, 3 times!")
    ['sync', "doesn't", 'work', 'times']
    """
    return [
        word.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for word in _WORD.findall(text.lower())
    ]


_ENDINGS = ("ing", "ed", "es", "s")


def stem(word: str) -> str:
    """Remove common English endings, so that ``report`` and ``reports`` are one term.

    Examples
    --------
    >>> [stem(word) for word in ("reports", "syncing", "sync", "fixed", "is")]
    ['report', 'sync', 'sync', 'fix', 'is']
    """
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
