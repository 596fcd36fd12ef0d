"""Steps of an action's playbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from churnkit.core.parsing import Settings, check_count
from churnkit.errors import RecipeError

__all__ = ["Step", "check_steps"]

_CONDITIONS: Final = ("always", "no_answer")
_MOST_STEPS: Final = 20
_LONGEST_TITLE: Final = 200
_LAST_DAY: Final = 365


@dataclass(frozen=True, slots=True)
class Step(Settings):
    """A step of an action's playbook, which becomes a task when the action is approved.

    Parameters
    ----------
    day
        Days from the approval to the due date, 0 to 365.
    title
        What to do, in at most 200 characters.
    condition
        ``"always"``, or ``"no_answer"``: the step is skipped once the customer has answered.

    Raises
    ------
    RecipeError
        If a field is invalid.

    Examples
    --------
    >>> Step(5, "Call the customer", condition="no_answer").day
    5
    """

    day: int
    title: str
    condition: Literal["always", "no_answer"] = "always"

    def __post_init__(self) -> None:
        day: Any = check_count("step: day", self.day)
        if day is None or day > _LAST_DAY:
            raise RecipeError(f"step: day must be a whole number from 0 to {_LAST_DAY}")
        title: Any = self.title
        if not isinstance(title, str) or not 0 < len(title.strip()) <= _LONGEST_TITLE:
            raise RecipeError(f"step: title must be text of at most {_LONGEST_TITLE} characters")
        if self.condition not in _CONDITIONS:
            raise RecipeError(f"step: condition must be one of {', '.join(_CONDITIONS)}")


def check_steps(label: str, steps: Any) -> tuple[Step, ...]:
    """Return the steps of an action if they are in the order of their days.

    Parameters
    ----------
    label
        Name of the action, for messages.
    steps
        Sequence of `Step`.

    Returns
    -------
    tuple of Step

    Raises
    ------
    RecipeError
        If there are too many steps, they are not in order, or the first has a condition.

    Examples
    --------
    >>> len(check_steps("action 'call'", [Step(0, "Write"), Step(5, "Call", "no_answer")]))
    2
    """
    if (
        isinstance(steps, str)
        or not isinstance(steps, Sequence)
        or not all(isinstance(step, Step) for step in steps)
    ):
        raise RecipeError(f"{label}: steps must be a tuple of Step(day, title)")
    if len(steps) > _MOST_STEPS:
        raise RecipeError(f"{label}: steps must be at most {_MOST_STEPS}, got {len(steps)}")
    days = [step.day for step in steps]
    if days != sorted(days):
        raise RecipeError(f"{label}: steps must be in the order of their days")
    if steps and steps[0].condition != "always":
        raise RecipeError(f"{label}: the first step cannot depend on an answer")
    return tuple(steps)
