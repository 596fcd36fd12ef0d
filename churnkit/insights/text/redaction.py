"""Texts that may be shown: without mails, links, numbers, names and rare words."""

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
    """Masks what could name a person, by the words of all texts together.

    A word is shown only if at least `fewest` texts use it, and, where it is written with a
    capital, if texts use it in small letters as well: names are capitalised everywhere and rare.
    Whatever holds a digit, mails, links and handles never are.

    Parameters
    ----------
    texts
        All texts.
    fewest
        How many texts must use a word.

    Examples
    --------
    >>> masker = Masker(["the sync fails", "the sync is slow", "sync the notes"], fewest=2)
    >>> masker.mask("Anna Smith: the sync of mail a.b@c.org fails since 2024")
    '[name] [name]: the sync [...] [mail] [...] [number]'
    """

    def __init__(self, texts: Iterable[str], *, fewest: int = 5) -> None:
        used: Counter[str] = Counter()
        small: Counter[str] = Counter()
        for text in texts:
            words = set(_WORD.findall(text))
            used.update({word.lower() for word in words})
            small.update({word for word in words if word.islower()})
        self._shown = {word for word, count in used.items() if count >= fewest}
        self._small = {word for word, count in small.items() if count >= fewest}
        self._small |= _PRONOUNS | COMMON

    def mask(self, text: str) -> str:
        """Return a text with what must not be shown replaced."""
        text = " ".join(text.split())
        text = _MAIL.sub("[mail]", text)
        text = _LINK.sub("[link]", text)
        text = _HANDLE.sub("[name]", text)
        text = _NUMBER.sub("[number]", text)
        # What the steps before put there is left as it is.
        parts = re.split(r"(\[(?:mail|link|name|number)\])", text)
        masked = [
            part if place % 2 else _WORD.sub(self._word, part) for place, part in enumerate(parts)
        ]
        return re.sub(r"\[\.\.\.\](?:\s+\[\.\.\.\])+", "[...]", "".join(masked))

    def _word(self, found: re.Match[str]) -> str:
        word = found[0]
        lower = word.lower()
        if word != lower and lower not in self._small:
            return "[name]"
        return word if lower in self._shown or lower in _PRONOUNS else "[...]"
