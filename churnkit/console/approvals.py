"""Approvals of planned actions, written to the journal."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from churnkit.bundle.decision_records import RecordBuilder
from churnkit.console.customer_list import planning_period
from churnkit.errors import ChurnkitError
from churnkit.journal import DecisionRecord, decision_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from churnkit.console.customer_list import CustomerList
    from churnkit.journal import Journal

__all__ = ["VERDICTS", "ApprovalStatus", "Approvals"]

VERDICTS: Final = ("approve", "reject", "snooze")


@dataclass(frozen=True, slots=True)
class ApprovalStatus:
    """Status of the decisions of one period.

    Parameters
    ----------
    decisions
        Recorded decision by customer.
    verdicts
        Latest verdict of a person by customer.
    counts
        Number of customers by verdict.
    """

    decisions: Mapping[str, Mapping[str, Any]]
    verdicts: Mapping[str, Mapping[str, Any]]
    counts: Mapping[str, int]

    def of(self, customer: str) -> str:
        """Return the latest verdict for a customer, or ``"open"``."""
        return str(self.verdicts[customer]["verdict"]) if customer in self.verdicts else "open"


class Approvals:
    """Decisions of one period in the journal, and the verdicts of people.

    Parameters
    ----------
    journal
        The journal.
    customers
        The decisions shown in the console.
    """

    def __init__(self, journal: Journal, customers: CustomerList) -> None:
        self.journal = journal
        self._customers = customers
        self._lock = threading.Lock()
        self.period = planning_period(customers.day)

    def status(self, customer: str | None = None) -> ApprovalStatus:
        """Read the status of all customers, or of one."""
        rows = self.journal.decisions(
            policy=self._customers.model.name,
            period=self.period,
            customers=None if customer is None else [customer],
        ).to_pylist()
        decisions = {row["customer"]: row for row in rows if row["verdict"] == "decide"}
        verdicts = {row["customer"]: row for row in rows if row["verdict"] != "decide"}
        counts = {
            name: sum(row["verdict"] == name for row in verdicts.values()) for name in VERDICTS
        }
        return ApprovalStatus(decisions, verdicts, counts)

    def record(
        self, customer: str, verdict: str, *, by: str, why: str, form_id: str, at: datetime
    ) -> bool:
        """Record a verdict, preceded by the decision it refers to if that is not recorded yet.

        Parameters
        ----------
        customer
            Customer id.
        verdict
            One of `VERDICTS`.
        by, why
            Name of the person and reason.
        form_id
            Unique id of the form; a form sent twice is recorded once.
        at
            Time of the verdict.

        Returns
        -------
        bool
            Whether the verdict is new.

        Raises
        ------
        ChurnkitError
            If the name or reason is empty, or the verdict is unknown.
        """
        by, why = by.strip(), why.strip()
        if verdict not in VERDICTS:
            raise ChurnkitError(f"verdict must be one of {', '.join(VERDICTS)}")
        if not by or not why:
            raise ChurnkitError("name and reason are required; both are kept in the journal")
        # Reads and writes of this console do not interleave.
        with self._lock:
            keys = {row["key"] for row in self.journal.decisions(customers=[customer]).to_pylist()}
            decision = self._decision(customer, at)
            key = decision_key("console", decision.key, form_id)
            if key in keys:
                return False
            if decision.key not in keys:
                limits = self._customers.model.catalogue.contact.limits
                self.journal.record([decision], limits=limits)
            self.journal.record(
                [
                    DecisionRecord(
                        key,
                        customer,
                        as_of=self._customers.day,
                        decided_at=at,
                        policy=decision.policy,
                        model=decision.model,
                        model_digest=decision.model_digest,
                        period=self.period,
                        by=by,
                        verdict=verdict,  # type: ignore[arg-type]
                        about=decision.key,
                        why=why,
                    )
                ]
            )
            return True

    def _decision(self, customer: str, at: datetime) -> DecisionRecord:
        """Return the record of the displayed decision, under the key that a plan uses."""
        model = self._customers.model
        row = self._customers.rows[customer]
        [decision] = self._customers.decisions.to_rows(slice(row, row + 1))
        [record] = RecordBuilder(model).records(
            decision,
            customer,
            key=decision_key(model.name, self.period, customer),
            as_of=self._customers.day,
            decided_at=at,
            period=self.period,
        )
        return record
