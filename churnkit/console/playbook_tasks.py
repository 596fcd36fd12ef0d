"""Start the playbooks of approved actions, and stop those of dismissed or snoozed ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from churnkit.journal.worklist.playbooks import STEP_NOTES, PlannedStep, PlaybookRun

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from churnkit.console.pages.context import PageContext
    from churnkit.decisions import Action

__all__ = ["follow_verdicts", "list_playbooks"]


def follow_verdicts(
    context: PageContext, customers: Sequence[str], *, by: str, form_id: str
) -> int:
    """Start or stop the playbooks of some customers, as the latest verdicts say.

    A playbook is started once for each decision, so that a form sent again adds nothing; and only
    if the journal has its action, which a holdout or a contact limit may have removed since the
    list was read.

    Returns
    -------
    int
        Number of playbooks started.
    """
    verdicts = context.worklist.verdicts(context.customers.model.name, context.approvals.period)
    latest = {name: verdicts[name].verdict for name in customers if name in verdicts}
    approved = [name for name, verdict in latest.items() if verdict == "approve"]
    actions = context.approvals.recorded_actions(approved)
    runs = [_plan(context, name, by) for name in approved]
    runs = [run for run in runs if run.steps and actions.get(run.customer) == run.action]
    started = context.playbooks.start(runs, by=by, at=context.clock())
    ended = [context.approvals.key(n) for n, verdict in latest.items() if verdict != "approve"]
    context.playbooks.stop(ended, by=by, at=context.clock(), form_id=form_id)
    return started


def _plan(context: PageContext, customer: str, by: str) -> PlaybookRun:
    row = context.customers.rows[customer]
    code = int(context.customers.decisions.action[row])
    action = None if code < 0 else context.customers.model.catalogue.actions[code]
    return PlaybookRun(
        customer,
        "" if action is None else action.name,
        context.approvals.key(customer),
        context.index.owner(row) or by,
        () if action is None else _steps(action, context.today),
    )


def _steps(action: Action, day: date) -> tuple[PlannedStep, ...]:
    count = len(action.steps)
    return tuple(
        PlannedStep(
            step.title,
            STEP_NOTES[step.condition == "no_answer"].format(
                title=action.title, number=number, count=count
            ),
            day + timedelta(days=step.day),
            needs_no_answer=step.condition == "no_answer",
        )
        for number, step in enumerate(action.steps, start=1)
    )


def list_playbooks(context: PageContext) -> list[dict[str, Any]]:
    """Return the steps of each action with a playbook, and the number of their tasks."""
    counts = {
        (part.action, part.number): part for part in context.playbooks.progress(context.today)
    }
    return [
        {
            "title": action.title,
            "steps": [
                {"step": step, "counts": counts.get((action.name, number))}
                for number, step in enumerate(action.steps, start=1)
            ],
        }
        for action in context.customers.model.catalogue.actions
        if action.steps
    ]
