"""A pseudo language that shows which texts and numbers bypass the catalog."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files

from churnkit.core.translation import Locale


@cache
def _texts_of_catalogs():
    from babel.messages.pofile import read_po

    with (files("churnkit") / "core" / "catalogs" / "de.po").open("rb") as file:
        return {message.id for message in read_po(file)}


class _Bracketed(dict):  # type: ignore[type-arg]
    """Catalog in which every text of the German one is in brackets."""

    def get(self, message, default=None):
        if message not in _texts_of_catalogs():
            return default
        if isinstance(message, tuple):
            return tuple(f"⟦{form}⟧" for form in message)
        return f"⟦{message}⟧"

    def __bool__(self):
        return True


_MONTHS = tuple(f"⟦{number}⟧" for number in range(1, 13))
PSEUDO_LOCALE = Locale(
    "xx",
    _Bracketed(),
    decimal="·",
    group="_",
    percent="{}٪",
    money="{amount} {sign}",
    months=_MONTHS,
    short_months=_MONTHS,
)


class _Texts(HTMLParser):
    """Texts that a reader of a page sees or hears."""

    def __init__(self):
        super().__init__()
        self.texts, self.hidden = [""], 0

    def handle_starttag(self, tag, attrs):
        spoken = {"aria-label", "title", "placeholder", "alt"}
        self.texts += [value for name, value in attrs if value and name in spoken]
        self._change(tag, 1)

    def handle_endtag(self, tag):
        self._change(tag, -1)

    def _change(self, tag, step):
        self.hidden += step * (tag in {"style", "code"})
        if tag != "code":
            self.texts.append("")

    def handle_data(self, data):
        # Code within a sentence, such as a command, is no text of it.
        if not self.hidden:
            self.texts[-1] += data


def outside_brackets(page):
    """Texts of a page by what is left of them without the bracketed parts."""
    parser = _Texts()
    parser.feed(page)
    left = {}
    for text in filter(str.strip, parser.texts):
        rest = text.strip()
        while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", rest)) != rest:
            rest = shorter
        # An axis has cut the last text short.
        left[re.sub(r"⟦[^⟧]*$", "", rest)] = text
    return left


def outside_catalog(page, words):
    """Texts of a page with words that are neither in brackets nor among the given ones."""
    pattern = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True) if word)
    known = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)
    return {
        text
        for rest, text in outside_brackets(page).items()
        if re.search(r"[^\W\d_]{2}", re.sub(r"\b[0-9a-f]{6,}\b", "", known.sub("", rest)))
    }
