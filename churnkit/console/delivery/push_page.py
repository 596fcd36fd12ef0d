"""The page of the push of approved actions, and the form that begins one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from churnkit.core.translation import _, mark_text
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.pages.context import PageContext
    from churnkit.journal.worklist.records import Verdict

__all__ = ["DELIVERY_LABELS", "show_push", "start_push"]

DELIVERY_LABELS = {
    "new": mark_text("Not queued"),
    "pending": mark_text("Waiting"),
    "sending": mark_text("Being sent"),
    "uncertain": mark_text("Perhaps sent by an interrupted run"),
    "sent": mark_text("Sent"),
    "failed": mark_text("Rejected by the destination"),
    "undone": mark_text("Undone"),
}
"""Labels of the states of an action at a destination."""

# A push that takes longer is shown as it is by then, with a link to its progress.
_WAIT_SECONDS: Final = 5.0


def show_push(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render the approved actions of the period by their state at the destination."""
    if context.is_restricted(visitor):
        return context.refuse_restricted(request, visitor)
    if context.push is None:
        return context.error(
            request,
            visitor,
            404,
            _("No destination: start the console with --to and a name from sources.py."),
        )
    context.push.wait(_WAIT_SECONDS)
    state = context.push.state(_verdicts(context))
    return context.page(
        request,
        "push.html",
        visitor=visitor,
        title=_("Send to {destination}", destination=context.push.name),
        state=state,
        labels={name: _(label) for name, label in DELIVERY_LABELS.items() if name in state.counts},
    )


def start_push(context: PageContext, _visitor: Visitor, _form: dict[str, str]) -> str:
    """Begin to send the approved actions; return the address of the next page."""
    if context.push is None:
        raise ChurnkitError(_("no destination: start the console with --to"))
    # A second click during a run shows the state of that run.
    context.push.start(_verdicts(context))
    return "/push"


def _verdicts(context: PageContext) -> Mapping[str, Verdict]:
    return context.worklist.verdicts(context.customers.model.name, context.approvals.period)
