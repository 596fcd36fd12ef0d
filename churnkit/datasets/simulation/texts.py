"""Texts of simulated customers, composed of phrases on a topic.

The planted topic is ``sync``: customers with a sync problem write about it, and churn more often.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["THEMES", "all_texts", "draw_texts"]

_BODIES = {
    "sync": (
        "sync between devices keeps failing and changes get lost",
        "my changes do not sync and I enter them twice",
        "data from the phone never arrives on the desktop, sync is broken",
        "we lost a morning of work because the sync stopped again",
        "syncing is stuck for days and nobody could fix it",
        "after each sync the newest records are missing",
    ),
    "price": (
        "the price per seat is high for what we use",
        "the renewal costs more than we planned",
        "we pay for seats that nobody needs",
        "a cheaper plan for small teams would help",
        "the invoice is hard to justify to my manager",
        "other tools ask less money for the same",
    ),
    "support": (
        "support answered late and did not solve it",
        "I waited long for an answer from the help desk",
        "the help desk was kind and solved it quickly",
        "support knew the answer at once",
        "I had to explain the same thing three times",
        "the chat closed before I got an answer",
    ),
    "ease of use": (
        "everything is easy to find and quick",
        "the screens are clear and my team likes them",
        "setting it up was simple",
        "it saves us hours every week",
        "the menus are confusing for new people",
        "some pages need too many clicks",
    ),
    "reports": (
        "the reports are just what we need",
        "exporting reports to a spreadsheet works well",
        "I miss a report by department",
        "the weekly report arrives on time and is clear",
        "charts in the reports look dated",
        "filters in the reports could be better",
    ),
}
THEMES = tuple(_BODIES)
_OPENINGS = (
    "",
    "To be honest, ",
    "In our team: ",
    "Short answer: ",
    "I think ",
    "This quarter, ",
)
_CLOSINGS = (
    ".",
    ", that is all.",
    ". Please look into it.",
    ". Thank you.",
    ", and my colleagues say the same.",
    "!",
)
_BODIES_A_THEME = 6
_GOOD, _BAD = 1, 0
# Indices of the positive phrases in each theme.
_HAPPY = {"support": (2, 3), "ease of use": (0, 1, 2, 3), "reports": (0, 1, 3)}

# Probability of each of THEMES: with a sync problem, and without.
_WITH_PROBLEM = np.array([0.72, 0.08, 0.12, 0.04, 0.04])
_OTHERWISE = np.array([0.04, 0.24, 0.20, 0.30, 0.22])


def all_texts() -> list[str]:
    """Return all texts, in the order of the codes of `draw_texts`."""
    return [
        f"{opening}{body}{closing}"[:1].upper() + f"{opening}{body}{closing}"[1:]
        for bodies in _BODIES.values()
        for body in bodies
        for opening in _OPENINGS
        for closing in _CLOSINGS
    ]


def draw_texts(
    problem: NDArray[np.bool_], happy: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw a text for each customer, as an index of `all_texts`.

    Parameters
    ----------
    problem
        True for customers with a sync problem, shape (n,).
    happy
        True for good scores, shape (n,).
    rng
        Random generator.
    """
    luck = rng.random(len(problem))
    cumulative = np.where(problem[:, np.newaxis], np.cumsum(_WITH_PROBLEM), np.cumsum(_OTHERWISE))
    theme = np.sum(luck[:, np.newaxis] >= cumulative[:, :-1], axis=1)
    body = _bodies()[theme, happy.astype(np.int64), rng.integers(0, 60, len(problem))]
    opening = rng.integers(0, len(_OPENINGS), len(problem))
    closing = rng.integers(0, len(_CLOSINGS), len(problem))
    codes: NDArray[np.int64] = ((theme * _BODIES_A_THEME + body) * len(_OPENINGS) + opening) * len(
        _CLOSINGS
    ) + closing
    return codes


def _bodies() -> NDArray[np.int64]:
    """Return indices of phrases by theme and mood, repeated to 60 for equal probabilities."""
    table = np.zeros((len(THEMES), 2, 60), dtype=np.int64)
    for row, theme in enumerate(THEMES):
        happy = _HAPPY.get(theme, ())
        sad = tuple(i for i in range(_BODIES_A_THEME) if i not in happy)
        table[row, _GOOD] = np.resize(happy or sad, 60)
        table[row, _BAD] = np.resize(sad, 60)
    return table
