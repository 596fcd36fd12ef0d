"""Teams of owners, and the form that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.console.pages.forms import read_text, read_version
from churnkit.core.translation import _, mark_text
from churnkit.journal.worklist.records import clean_text

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext

__all__ = ["assign_team", "show_teams"]


def show_teams(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render the owners with their teams; a restricted visitor sees the own team."""
    context.index.refresh()
    members = context.teams.members()
    if context.is_restricted(visitor):
        names = context.colleagues(visitor)
    else:
        names = set(context.index.owners) | set(members)
    return context.page(
        request,
        "teams.html",
        visitor=visitor,
        title=_("Teams"),
        people=[(name, members.get(name)) for name in sorted(names, key=str.casefold)],
        teams=context.team_names(visitor),
    )


def assign_team(context: PageContext, visitor: Visitor, form: dict[str, str]) -> str:
    """Set the team of a person; return the address of the next page."""
    context.teams.assign(
        clean_text(form.get("person", ""), name=mark_text("Person"), most=60, required=True),
        read_text(form, "team"),
        read_version(form),
        by=context.person(visitor, form),
        at=context.clock(),
        form_id=form["form_id"],
    )
    return "/teams"
