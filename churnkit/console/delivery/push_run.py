"""Pushes of approved actions to one destination, one run at a time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from churnkit.connect.delivery.push import push
from churnkit.connect.delivery.selection import Selection, select_messages
from churnkit.core.user_code_errors import format_exception
from churnkit.errors import ChurnkitError
from churnkit.journal import Outbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.connect.delivery.messages import Destination, Link
    from churnkit.console.approvals import Approvals
    from churnkit.console.customer_list import CustomerList
    from churnkit.journal.worklist.records import Verdict

__all__ = ["ApprovedPush", "PushState"]

_NOT_REPEATED = frozenset({"sent", "sending", "uncertain"})


@dataclass(frozen=True, slots=True)
class PushState:
    """State of the approved actions of the period at a destination.

    Parameters
    ----------
    counts
        Number of approved actions by state: ``"new"`` if they were never queued, ``"uncertain"``
        if an interrupted run may have sent them, otherwise the states of the outbox.
    unsent
        Number of approved actions that a run would send.
    skipped
        Number of approved actions that the journal does not let out, by reason.
    is_running
        Whether actions are being sent.
    error
        Message of the last run if it could not finish; empty otherwise.
    """

    counts: Mapping[str, int]
    unsent: int
    skipped: Mapping[str, int]
    is_running: bool
    error: str


class ApprovedPush:
    """Push of the approved actions of a period to a destination, through the outbox.

    A run sends in a thread of its own. Each action is claimed in the outbox before it is sent, and
    a second run does not begin before the first has ended, so that two clicks send once.

    Parameters
    ----------
    name, destination
        Name of the destination, a key of the outbox, and the destination.
    customers, approvals
        Customers with their decisions, and the journal with the verdicts.
    link
        Connection, clock and random numbers.
    """

    def __init__(
        self,
        name: str,
        destination: Destination,
        *,
        customers: CustomerList,
        approvals: Approvals,
        link: Link,
    ) -> None:
        self.name = name
        self._destination, self._link = destination, link
        self._customers, self._approvals = customers, approvals
        self._outbox = Outbox(approvals.journal)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._error = ""

    def state(self, verdicts: Mapping[str, Verdict]) -> PushState:
        """Return the state of the approved actions.

        Parameters
        ----------
        verdicts
            Latest verdicts of the period by customer.
        """
        selection = self._select(verdicts)
        keys = [message.decision for message in selection.messages]
        states = self._outbox.states(self.name, keys)
        thread = self._thread
        is_running = thread is not None and thread.is_alive()
        counts: dict[str, int] = {}
        for key in keys:
            state = states.get(key, "new")
            if state == "sending" and not is_running:
                state = "uncertain"
            counts[state] = counts.get(state, 0) + 1
        sent = {"sent", "sending"} if self._destination.repeatable else _NOT_REPEATED
        unsent = sum(count for state, count in counts.items() if state not in sent)
        return PushState(counts, unsent, selection.skipped, is_running, self._error)

    def start(self, verdicts: Mapping[str, Verdict]) -> bool:
        """Queue the approved actions and begin to send them; return False during a run.

        Parameters
        ----------
        verdicts
            Latest verdicts of the period by customer.
        """
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return False
            selection = self._select(verdicts)
            # Queued before the thread begins: they are not forgotten if the console stops.
            self._outbox.add(
                self.name,
                {message.decision: message.customer for message in selection.messages},
                at=self._link.clock.now(),
            )
            self._error = ""
            self._thread = threading.Thread(target=self._run, args=(selection,), daemon=True)
            self._thread.start()
            return True

    def wait(self, seconds: float) -> None:
        """Wait for the current run to end, at most some seconds."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, selection: Selection) -> None:
        try:
            push(selection, self.name, self._destination, self._approvals.journal, link=self._link)
        except ChurnkitError as error:
            self._error = str(error)
        except Exception as error:  # noqa: BLE001  (a destination may be the project's own code)
            self._error = format_exception(error)

    def _select(self, verdicts: Mapping[str, Verdict]) -> Selection:
        """Return the messages of the approved actions, in the order of the customers."""
        rows = self._customers.rows
        approved = sorted(
            (customer for customer, verdict in verdicts.items() if verdict.verdict == "approve"),
            key=lambda customer: rows.get(customer, -1),
        )
        lines = [self._line(customer) for customer in approved if customer in rows]
        if not lines:
            return Selection()
        return select_messages(
            pa.Table.from_pylist(lines),
            self._approvals.journal,
            period=self._approvals.period,
            approved=True,
        )

    def _line(self, customer: str) -> dict[str, Any]:
        """Return a row of the plan, with the columns that `churnkit plan` writes."""
        customers = self._customers
        row, decisions = customers.rows[customer], customers.decisions
        action = int(decisions.action[row])
        return {
            "customer": customer,
            "action": decisions.names[action] if action >= 0 else None,
            "churn_probability": float(customers.probability[row]),
            "expected_gain": float(decisions.expected_gain[row]),
            "gain_low": float(decisions.low[row]),
            "gain_high": float(decisions.high[row]),
            "cost": float(decisions.cost[row]),
            "reason": decisions.reason[row],
        }
