"""Open questions of a drafted schema: training waits for their answers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from churnkit.contracts.schema.from_pandera import open_questions
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.pipeline.recipe import Recipe

__all__ = ["find_open_questions", "refuse_open_questions"]


def find_open_questions(recipe: Recipe) -> tuple[str, ...]:
    """List the open questions of a recipe's schema, each with its file and line."""
    questions = open_questions(recipe.schema)
    if not questions:
        return ()
    try:
        file = inspect.getsourcefile(recipe.schema) or ""
        lines, first = inspect.getsourcelines(recipe.schema)
    except (OSError, TypeError):
        file, lines, first = "", [], 0
    where = "/".join(file.replace("\\", "/").split("/")[-2:])
    messages = []
    for column, question in questions:
        start = question[:20].replace('"', '\\"')
        at = [first + n for n, line in enumerate(lines) if "todo=" in line and start in line]
        place = f"{where}:{at[0]}: " if at else ""
        messages.append(f"{place}column '{column}': {question}")
    return tuple(messages)


def refuse_open_questions(recipe: Recipe) -> None:
    """Refuse to train on a draft with open questions.

    Raises
    ------
    RecipeError
        With every question, and where to answer it.
    """
    questions = find_open_questions(recipe)
    if questions:
        noun = "an open question" if len(questions) == 1 else f"{len(questions)} open questions"
        raise RecipeError("\n".join([f"the draft has {noun}:", *questions]))
