"""Gate for changed actions: what the new actions, rules and limits do to the test customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from churnkit.bundle.diff import has_other_actions
from churnkit.bundle.model import RetentionModel
from churnkit.core.result import Result
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, table_exclusions
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from churnkit.bundle.contents import ModelContents
    from churnkit.decisions.catalogue.action import Action

__all__ = ["ActionsVerdict", "judge_actions"]

# Enough customers to find a rule that nobody meets, in a fraction of a second.
_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class ActionsVerdict(Result):
    """Verdict on actions, options, rules or limits that differ from the champion's.

    Parameters
    ----------
    passed
        True if the actions may replace the champion's.
    customers
        Number of test customers compared.
    added, removed, changed
        Names of the actions or options.
    unreachable
        Added or changed actions that no test customer is eligible for.
    treated, champion_treated
        Customers for whom an action pays, with the new and with the champion's actions, under
        the same probabilities and without budget or capacities; None for options of a ranking.
    says
        The verdict in one sentence.
    """

    passed: bool
    customers: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unreachable: tuple[str, ...]
    treated: int | None
    champion_treated: int | None
    says: str


def judge_actions(
    contents: ModelContents, champion: RetentionModel | None, table: pa.Table
) -> ActionsVerdict | None:
    """Compare a model's actions with the champion's on the test customers.

    They pass if some customer is eligible for each action that is new or changed, and if an action
    still pays for somebody where it did before.

    Parameters
    ----------
    contents
        Contents of the new model.
    champion
        The champion, if there is one.
    table
        The test customers.

    Returns
    -------
    ActionsVerdict or None
        None if the actions do not differ, or the champion cannot read the table.
    """
    if champion is None or not has_other_actions(contents, champion.contents):
        return None
    try:
        return _compare(RetentionModel(contents), champion, table.slice(0, _ROWS))
    except DataError:
        return None


def _compare(model: RetentionModel, champion: RetentionModel, table: pa.Table) -> ActionsVerdict:
    before, after = _by_name(champion), _by_name(model)
    added = tuple(name for name in after if name not in before)
    removed = tuple(name for name in before if name not in after)
    changed = tuple(name for name in after if name in before and after[name] != before[name])
    reached = _eligible_counts(model, table)
    unreachable = tuple(name for name in (*added, *changed) if not reached[name])
    treated, champion_treated = _count_treated(model, table), _count_treated(champion, table)
    none_left = treated == 0 and bool(champion_treated)
    passed = not unreachable and not none_left
    return ActionsVerdict(
        passed=passed,
        customers=table.num_rows,
        added=added,
        removed=removed,
        changed=changed,
        unreachable=unreachable,
        treated=treated,
        champion_treated=champion_treated,
        says="".join(
            (
                f"{'passed' if passed else 'FAILED'} for the actions: ",
                "; ".join(_describe(added, removed, changed, unreachable)),
                ""
                if treated is None or champion_treated is None
                else f"; an action pays for {treated:,} of {table.num_rows:,} test customers "
                f"(champion {champion_treated:,})",
            )
        ),
    )


def _describe(
    added: tuple[str, ...],
    removed: tuple[str, ...],
    changed: tuple[str, ...],
    unreachable: tuple[str, ...],
) -> Iterator[str]:
    if unreachable:
        yield f"no test customer is eligible for {', '.join(unreachable)}: correct the rules"
    for label, names in (("added", added), ("removed", removed), ("changed", changed)):
        if names:
            yield f"{label} {', '.join(names)}"
    if not (added or removed or changed):
        yield "the same actions with other limits or settings"


def _by_name(model: RetentionModel) -> dict[str, Action]:
    rules = model.contents.rules
    return {} if rules is None else {action.name: action for action in rules.actions}


def _eligible_counts(model: RetentionModel, table: pa.Table) -> dict[str, int]:
    """Return the number of eligible customers by action, without contacts and holdouts."""
    rules = model.contents.rules
    if rules is None:
        return {}
    encoded = model.encode(table, purpose="recommend")
    matrix = encoded.matrix[encoded.valid]
    compiled = compile_catalogue(rules, model.contract.encoded("recommend"))
    eligible = (table_exclusions(compiled, matrix) == NOT_EXCLUDED).sum(axis=0)
    return dict(zip(rules.names, eligible.tolist(), strict=True))


def _count_treated(model: RetentionModel, table: pa.Table) -> int | None:
    """Return the number of customers for whom an action pays; None without a catalogue."""
    if model.contents.catalogue is None:
        return None
    encoded = model.encode(table, purpose="recommend")
    valid = encoded.valid
    gains, _ = model.action_gains(model.probabilities(encoded)[valid], encoded.matrix[valid])
    return int(gains.pays().any(axis=1).sum())
