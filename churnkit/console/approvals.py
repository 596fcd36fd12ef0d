"""Approvals of planned actions, written to the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from churnkit.bundle.decision_records import RecordBuilder
from churnkit.console.customer_list import planning_period
from churnkit.core.translation import _, mark_text
from churnkit.errors import ChurnkitError
from churnkit.journal import DecisionRecord, decision_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from churnkit.console.customer_list import CustomerList
    from churnkit.journal import Journal

__all__ = ["VERDICTS", "Approvals", "BulkResult"]

VERDICTS: Final = ("approve", "reject", "snooze")
_CAPPED: Final = mark_text("a contact limit is reached")
_OTHER_DECISION: Final = mark_text(
    "the journal has another decision: restart the console to show it"
)


@dataclass(frozen=True, slots=True)
class BulkResult:
    """Customers with a new verdict, and customers without, by reason.

    Parameters
    ----------
    recorded
        Customers, in the order of the request.
    cost
        Total cost of their actions, in money.
    skipped
        Number of other customers by reason.
    """

    recorded: tuple[str, ...]
    cost: float
    skipped: Mapping[str, int]


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
        self.period: str = planning_period(customers.day)

    def key(self, customer: str) -> str:
        """Return the key of a customer's decision, which is that of a plan of this period."""
        return decision_key(self._customers.model.name, self.period, customer)

    def recorded_actions(self, customers: Collection[str]) -> dict[str, str]:
        """Return the journal's action of each customer with one, if no limit has removed it."""
        if not customers:
            return {}
        rows = self.journal.decisions(
            customers=customers,
            verdict="decide",
            columns=["key", "customer", "action", "capped"],
        ).to_pylist()
        return {
            row["customer"]: row["action"]
            for row in rows
            if row["key"] == self.key(row["customer"]) and row["action"] and not row["capped"]
        }

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
            If the name or reason is empty, or the verdict is unknown; for an approval, also if a
            contact limit has removed the action, or the journal has another decision.
        """
        by, why = by.strip(), why.strip()
        if verdict not in VERDICTS:
            raise ChurnkitError(_("verdict must be one of {names}", names=", ".join(VERDICTS)))
        if not by or not why:
            raise ChurnkitError(_("name and reason are required; both are kept in the journal"))
        # No other verdict comes between the reads and the writes.
        with self.journal.database.joining():
            rows = self.journal.decisions(customers=[customer]).to_pylist()
            recorded = {row["key"]: row for row in rows}
            decision = self._decision(customer, at)
            if decision_key("console", decision.key, form_id) in recorded:
                return False
            reason = _conflict(decision, recorded.get(decision.key))
            if decision.key not in recorded and self._record_new([decision]):
                reason = _CAPPED
            refusal = reason if verdict == "approve" else None
            if refusal is None:
                self.journal.record(
                    [self._verdict(decision, verdict, by=by, why=why, form_id=form_id, at=at)]
                )
        # Raised here, as the decision without its action stays in the journal.
        if refusal is not None:
            raise ChurnkitError(_("not approved: {reason}", reason=_(refusal)))
        return True

    def record_many(
        self,
        customers: Sequence[str],
        verdict: str,
        *,
        by: str,
        why: str,
        form_id: str,
        at: datetime,
        budget: float | None = None,
    ) -> BulkResult:
        """Record a verdict on many customers, in their order, as far as a budget allows.

        Parameters
        ----------
        customers
            Customer ids; one without an action or with a final verdict is left out.
        verdict, by, why, form_id, at
            As for `record`.
        budget
            Maximum total cost of the actions, in money; None for no limit.

        Returns
        -------
        BulkResult
            Customers with a new verdict, and the others by reason.
        """
        if verdict not in VERDICTS:
            raise ChurnkitError(_("verdict must be one of {names}", names=", ".join(VERDICTS)))
        with self.journal.database.joining():
            rows = self.journal.decisions(customers=customers).to_pylist()
            decided = {row["key"]: row for row in rows if row["verdict"] == "decide"}
            latest = {row["about"]: row["verdict"] for row in rows if row["verdict"] != "decide"}
            chosen: list[DecisionRecord] = []
            skipped: dict[str, int] = {}
            cost = 0.0
            for customer in customers:
                decision = self._decision(customer, at)
                reason = _refusal(decision, decided.get(decision.key), latest, verdict)
                if reason is None and budget is not None and cost + decision.cost > budget:
                    reason = mark_text("the budget is used")
                if reason is None:
                    chosen.append(decision)
                    cost += decision.cost
                else:
                    skipped[reason] = skipped.get(reason, 0) + 1
            capped = self._record_new([part for part in chosen if part.key not in decided])
            if capped:
                skipped[_CAPPED] = skipped.get(_CAPPED, 0) + len(capped)
            chosen = [decision for decision in chosen if decision.key not in capped]
            self.journal.record(
                self._verdict(decision, verdict, by=by, why=why, form_id=form_id, at=at)
                for decision in chosen
            )
        return BulkResult(
            tuple(decision.customer for decision in chosen),
            sum(decision.cost for decision in chosen),
            skipped,
        )

    def _record_new(self, new: Sequence[DecisionRecord]) -> set[str]:
        """Record decisions; return the keys of those whose action a contact limit has removed."""
        limits = self._customers.model.catalogue.contact.limits
        return set(self.journal.record(new, limits=limits).capped)

    def _verdict(
        self,
        decision: DecisionRecord,
        verdict: str,
        *,
        by: str,
        why: str,
        form_id: str,
        at: datetime,
    ) -> DecisionRecord:
        return DecisionRecord(
            decision_key("console", decision.key, form_id),
            decision.customer,
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

    def _decision(self, customer: str, at: datetime) -> DecisionRecord:
        """Return the record of the displayed decision, under the key that a plan uses."""
        model = self._customers.model
        row = self._customers.rows[customer]
        [decision] = self._customers.decisions.to_rows(slice(row, row + 1))
        [record] = RecordBuilder(model).records(
            decision,
            customer,
            key=self.key(customer),
            as_of=self._customers.day,
            decided_at=at,
            period=self.period,
        )
        return record


def _refusal(
    decision: DecisionRecord,
    recorded: Mapping[str, Any] | None,
    latest: Mapping[str, str],
    verdict: str,
) -> str | None:
    """Return why a verdict cannot be recorded; None if it can."""
    if decision.action is None:
        return mark_text("no action is planned")
    conflict = _conflict(decision, recorded)
    # A snooze gives up the recorded action, whichever it is.
    if conflict is not None and (verdict == "approve" or conflict == _CAPPED):
        return conflict
    earlier = latest.get(decision.key)
    if earlier in {"reject", "snooze"}:
        return mark_text("the action is dismissed or snoozed")
    return mark_text("the action is approved already") if earlier == verdict else None


def _conflict(decision: DecisionRecord, recorded: Mapping[str, Any] | None) -> str | None:
    """Return how the journal's decision differs from the one on display; None if it does not."""
    if recorded is None or recorded["action"] == decision.action:
        return None
    return _CAPPED if recorded["capped"] else _OTHER_DECISION
