"""Tasks of all customers, and the change log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.console.pages.context import customer_link
from churnkit.console.pages.customer_page import describe_change
from churnkit.console.pages.list_page import team_options
from churnkit.console.playbook_tasks import list_playbooks
from churnkit.console.query.list_query import ALL, check_choice
from churnkit.core.translation import _
from churnkit.journal.worklist.tasks import TASK_STATUSES

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext

__all__ = ["show_changes", "show_tasks"]


def show_tasks(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render open or done tasks, by owner and due date."""
    params = request.query_params
    owner, status = params.get("owner", ALL), check_choice(params, "status", TASK_STATUSES, "open")
    due = context.today if check_choice(params, "due", ("today", ALL), ALL) == "today" else None
    chosen = visitor.name if owner == "me" else owner
    tasks = context.tasks.list(
        owner=None if owner == ALL else chosen,
        status=status,
        owners=context.team_members(params.get("team", ALL), visitor),
        due=due,
    )
    every = context.tasks.list(status="open")
    context.index.refresh()
    if context.is_restricted(visitor):
        is_visible = context.visible(visitor)
        tasks = [task for task in tasks if is_visible(task.customer)]
        every = [task for task in every if is_visible(task.customer)]
    return context.page(
        request,
        "tasks.html",
        visitor=visitor,
        title=_("Tasks"),
        tasks=[(task, customer_link(task.customer)) for task in tasks],
        awaiting=context.playbooks.awaiting_answer([task.key for task in tasks]),
        playbooks=[] if context.is_restricted(visitor) else list_playbooks(context),
        owners=sorted({task.owner for task in every if task.owner} | set(context.owners(visitor))),
        owner=owner,
        team=params.get("team", ALL),
        team_options=team_options(context, visitor),
        status=status,
        due=params.get("due", ALL),
        today=context.today,
    )


def show_changes(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render the latest changes by anyone, for administrators."""
    if not visitor.may("admin"):
        return context.error(request, visitor, 403, _("The change log is for administrators."))
    entries = [
        describe_change(change)
        | {"customer": change.customer, "link": customer_link(change.customer)}
        for change in context.worklist.history()
    ]
    return context.page(
        request, "changes.html", visitor=visitor, title=_("Change log"), entries=entries
    )
