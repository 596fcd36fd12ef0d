"""Push the actions of a plan to a destination, once each, through the outbox of the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from churnkit.connect.http.client import StatusError
from churnkit.core.result import Result
from churnkit.errors import ConnectError
from churnkit.journal import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from churnkit.connect.delivery.messages import Destination, Link, Message, Receipt
    from churnkit.connect.delivery.selection import Selection
    from churnkit.journal import Journal
    from churnkit.journal.outbox import OutboxState

__all__ = ["PushReport", "push", "undo"]

_SENT: Final = "sent"
_UNDONE: Final = "undone"
_BEFORE: dict[str, OutboxState] = {_SENT: "pending", _UNDONE: _SENT}


@dataclass(frozen=True)
class PushReport(Result):
    """Result of a push.

    Parameters
    ----------
    destination
        Name of the destination.
    sent, failed
        Number of actions that were sent, or undone, and that the destination rejected.
    before
        Number of actions that were sent by earlier runs.
    uncertain
        Number of actions that an interrupted run may have sent; ``resume`` sends them again.
    waiting
        Number of actions that are left for a later run.
    skipped
        Number of rows that the journal does not let out, by reason.
    reasons
        Number of rejected actions by error code.
    repeatable
        True if a repeated message has the effect of one, so that each action arrives once;
        otherwise an interrupted one may arrive twice.
    dry_run
        Whether nothing was sent.
    """

    destination: str
    sent: int = 0
    failed: int = 0
    before: int = 0
    uncertain: int = 0
    waiting: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    repeatable: bool = True
    dry_run: bool = False


def push(
    selection: Selection,
    name: str,
    destination: Destination,
    journal: Journal,
    *,
    link: Link,
    limit: int | None = None,
    resume: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> PushReport:
    """Send messages that were not sent before.

    Each message is claimed in the outbox before it is sent, and marked with its result after.
    Rejected messages are sent again by the next run.

    Parameters
    ----------
    selection
        Messages from `select_messages`.
    name, destination
        Name of the destination, a key of the outbox, and the destination.
    journal
        Journal with the outbox.
    link
        Connection, clock and random numbers.
    limit
        Most messages to send; None for all.
    resume
        Whether to send messages again that an interrupted run may have sent, to a destination that
        is not repeatable.
    dry_run
        Whether to send nothing.
    progress
        Called with the number of messages done.

    Returns
    -------
    PushReport
        Counts.

    Raises
    ------
    ConnectError
        If the destination cannot be reached; a later run continues.
    """
    outbox = Outbox(journal)
    messages = {message.decision: message for message in selection.messages}
    states = outbox.states(name, list(messages))
    earlier = [key for key, state in states.items() if state == _SENT]
    uncertain = [key for key, state in states.items() if state == "sending"]
    again = [key for key, state in states.items() if state in {"failed", _UNDONE}]
    if destination.repeatable or resume:
        again, uncertain = again + uncertain, []
    waiting = {key for key, state in states.items() if state == "pending"}.union(again)
    queue = [key for key in messages if key not in states or key in waiting]
    chosen = queue if limit is None else queue[:limit]
    run = _Delivery(name, outbox, link, repeatable=destination.repeatable)
    if not dry_run:
        # Opened first: a missing secret leaves the outbox as it is.
        sender = destination.open(name, link)
        now = link.clock.now()
        outbox.add(name, {key: messages[key].customer for key in chosen}, at=now)
        outbox.mark(name, dict.fromkeys(set(chosen) & set(again)), "pending", at=now)
        for start in range(0, len(chosen), destination.batch):
            batch = [messages[key] for key in chosen[start : start + destination.batch]]
            run.deliver(batch, sender.send, _SENT)
            progress(start + len(batch))
    return PushReport(
        name,
        sent=run.accepted,
        failed=run.rejected,
        before=len(earlier),
        uncertain=len(uncertain),
        waiting=len(queue) - (0 if dry_run else len(chosen)),
        skipped=selection.skipped,
        reasons=run.reasons,
        repeatable=destination.repeatable,
        dry_run=dry_run,
    )


def undo(
    name: str,
    destination: Destination,
    journal: Journal,
    *,
    period: str,
    link: Link,
    limit: int | None = None,
    dry_run: bool = False,
) -> PushReport:
    """Undo what was sent for the decisions of a period.

    Parameters
    ----------
    name, destination, journal
        As in `push`.
    period
        Period of the decisions.
    link, limit, dry_run
        As in `push`.

    Returns
    -------
    PushReport
        Counts; ``sent`` is the number of undone actions.

    Raises
    ------
    ConnectError
        If the destination cannot undo.
    """
    if not destination.undoable:
        raise ConnectError(f"{name} cannot undo: what was sent there stays")
    from churnkit.connect.delivery.messages import Message

    outbox = Outbox(journal)
    sent = outbox.in_state(name, _SENT)
    rows = journal.decisions(period=period).to_pylist()
    messages = [
        Message(row["key"], row["customer"], row["action"] or "", row["decided_at"])
        for row in rows
        if row["key"] in sent
    ]
    chosen = messages if limit is None else messages[:limit]
    run = _Delivery(name, outbox, link, repeatable=destination.repeatable)
    if not dry_run:
        sender = destination.open(name, link)
        for start in range(0, len(chosen), destination.batch):
            run.deliver(chosen[start : start + destination.batch], sender.undo, _UNDONE)
    waiting = len(messages) - (0 if dry_run else len(chosen))
    return PushReport(
        name,
        sent=run.accepted,
        failed=run.rejected,
        waiting=waiting,
        reasons=run.reasons,
        dry_run=dry_run,
    )


class _Delivery:
    """Batches of one run, and their counts."""

    def __init__(self, name: str, outbox: Outbox, link: Link, *, repeatable: bool) -> None:
        self._name, self._outbox, self._link = name, outbox, link
        self._repeatable = repeatable
        self.accepted = self.rejected = 0
        self.reasons: dict[str, int] = {}

    def deliver(
        self,
        messages: Sequence[Message],
        send: Callable[[Sequence[Message]], list[Receipt]],
        state: OutboxState,
    ) -> None:
        """Claim, send and mark a batch."""
        now = self._link.clock.now()
        if state == _SENT:
            claimed = self._outbox.claim(self._name, [m.decision for m in messages], at=now)
            messages = [message for message in messages if message.decision in claimed]
        if not messages:
            return
        try:
            receipts = send(messages)
        except StatusError:
            # The destination answered: nothing of this request was carried out. Messages of a
            # destination that is not repeatable are requests of their own: others may be.
            if self._repeatable or len(messages) == 1:
                self._outbox.mark(
                    self._name, {m.decision: None for m in messages}, _BEFORE[state], at=now
                )
            raise
        done = {r.decision: None for r in receipts if r.reason is None}
        failed = {r.decision: r.reason for r in receipts if r.reason is not None}
        at = self._link.clock.now()
        if state == _SENT:
            self._outbox.mark(self._name, failed, "failed", at=at)
        is_outcome = all(message.kind == "action" for message in messages)
        self._outbox.mark(self._name, done, state, at=at, is_outcome=is_outcome)
        self.accepted += len(done)
        self.rejected += len(failed)
        for reason in failed.values():
            self.reasons[str(reason)] = self.reasons.get(str(reason), 0) + 1
