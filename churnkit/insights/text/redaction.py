"""Mask email addresses, links, numbers, names and rare words in texts."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from churnkit.insights.text.tokenize import COMMON

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Masker"]

_MAIL = re.compile(r"[^\s@<>()]+@[^\s@<>()]+\.[^\s@<>(),;]+")
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_HANDLE = re.compile(r"(?<!\w)@\w+")
_NUMBER = re.compile(r"\S*\d\S*")
_WORD = re.compile(r"[^\W\d_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][^\W\d_]+)*")
_PRONOUNS = {"i", "i'm", "i've", "i'd", "i'll"}


class Masker:
    """Mask texts by the frequency of words in a collection.

    A word is kept if at least `fewest` texts contain it; a capitalized word only if as many contain
    it in lower case, since names are always capitalized. Words with digits, email addresses, links
    and handles are always masked.

    Parameters
    ----------
    texts
        The collection.
    fewest
        Minimum number of texts with a word.

    Examples
    --------
    >>> masker = Masker(["the sync fails", "the sync is slow", "sync the notes"], fewest=2)
    >>> masker.mask("Anna Smith: the sync of mail a.b@c.org fails since 2024")
    '[name] [name]: the sync [...] [mail] [...] [number]'
    """

    def __init__(self, texts: Iterable[str], *, fewest: int = 5) -> None:
        counts: Counter[str] = Counter()
        lower_counts: Counter[str] = Counter()
        for text in texts:
            words = set(_WORD.findall(text))
            counts.update({word.lower() for word in words})
            lower_counts.update({word for word in words if word.islower()})
        self._frequent = {word for word, count in counts.items() if count >= fewest}
        self._frequent_lower = {word for word, count in lower_counts.items() if count >= fewest}
        self._frequent_lower |= _PRONOUNS | COMMON

    def mask(self, text: str) -> str:
        """Return the masked text."""
        text = " ".join(text.split())
        text = _MAIL.sub("[mail]", text)
        text = _LINK.sub("[link]", text)
        text = _HANDLE.sub("[name]", text)
        text = _NUMBER.sub("[number]", text)
        # Placeholders from the steps above stay.
        parts = re.split(r"(\[(?:mail|link|name|number)\])", text)
        masked = [
            part if at % 2 else _WORD.sub(self._mask_word, part) for at, part in enumerate(parts)
        ]
        return re.sub(r"\[\.\.\.\](?:\s+\[\.\.\.\])+", "[...]", "".join(masked))

    def _mask_word(self, match: re.Match[str]) -> str:
        word = match[0]
        lower = word.lower()
        if word != lower and lower not in self._frequent_lower:
            return "[name]"
        return word if lower in self._frequent or lower in _PRONOUNS else "[...]"
