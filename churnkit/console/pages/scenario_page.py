"""Compare today's plan with a plan for another budget, capacity, effect or threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import numpy as np

from churnkit.bundle.budget_curve import plan_budgets
from churnkit.bundle.model import RetentionModel
from churnkit.console.query.number_fields import TYPED, parse_plain, read_typed
from churnkit.core.number_format import exact_digits
from churnkit.core.translation import _, localize_number, mark_text
from churnkit.errors import ChurnkitError
from churnkit.report.blocks import Chart, Column, Table, interval_columns
from churnkit.report.charts.draw import draw
from churnkit.report.report import to_csv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from churnkit.console.auth import Visitor
    from churnkit.console.customer_list import CustomerList
    from churnkit.console.pages.context import PageContext
    from churnkit.decisions import Action, Catalogue, Decisions

__all__ = ["Scenario", "export_plan", "plan_scenario", "show_what_if"]

_STEPS: Final = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
_MOST_PERCENT: Final = 1_000.0
_LABELS: Final = {
    "budget": mark_text("Budget"), "capacity": mark_text("Capacities, % of today"),
    "effect": mark_text("Assumed effects, % of today"), "threshold": mark_text("Lowest churn risk, %"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scenario:
    """Settings of a plan.

    Parameters
    ----------
    budget
        Maximum total cost of all actions, in money; None for no limit.
    capacity, effect
        Capacities and assumed effects, in percent of the catalogue's.
    threshold
        Lowest churn risk of a customer who gets an action, in percent.
    """

    budget: float | None = None
    capacity: float = 100.0
    effect: float = 100.0
    threshold: float = 0.0

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Scenario:
        """Parse the parameters of the address; one that is absent or empty has its default.

        Raises
        ------
        ChurnkitError
            If one is not a number in its range.

        Examples
        --------
        >>> Scenario.parse({"budget": "5000", "effect": "80"})
        Scenario(budget=5000.0, capacity=100.0, effect=80.0, threshold=0.0)
        """
        budget = _number(params, "budget", -1.0, 1e15)
        return cls(
            None if budget < 0.0 else budget,
            _number(params, "capacity", 100.0, _MOST_PERCENT),
            _number(params, "effect", 100.0, _MOST_PERCENT),
            _number(params, "threshold", 0.0, 100.0),
        )


def _number(params: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = params.get(name, "").strip()
    if not text:
        return default
    try:
        number = parse_plain(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= most:
        if most > _MOST_PERCENT:
            raise ChurnkitError(_("“{name}” must be a number, at least 0", name=_(_LABELS[name])))
        raise ChurnkitError(
            _("“{name}” must be a number from 0 to {most:,.0f}", name=_(_LABELS[name]), most=most)
        )
    return number


def plan_scenario(customers: CustomerList, scenario: Scenario, context: Any = None) -> Decisions:
    """Plan actions for the settings of a scenario.

    Parameters
    ----------
    customers
        The scored customers.
    scenario
        The settings.
    context
        Customers and day, where the catalogue needs them.
    """
    model = customers.model
    catalogue = _scale(model.catalogue, scenario)
    changed = RetentionModel(replace(model.contents, catalogue=catalogue))
    probability = customers.probability
    if scenario.threshold > 0.0:
        probability = np.where(probability >= scenario.threshold / 100.0, probability, np.nan)
    return changed.decide_table(
        probability, customers.encoded.matrix, budget=scenario.budget, context=context
    )


def _scale(catalogue: Catalogue, scenario: Scenario) -> Catalogue:
    factor, share = scenario.capacity / 100.0, scenario.effect / 100.0

    def scale(action: Action) -> Action:
        effect = action.effect
        if effect is not None and share != 1.0:
            bounds = (effect.low, effect.expected, effect.high)
            effect = type(effect)(*(float(np.clip(share * bound, -1.0, 1.0)) for bound in bounds))
        capacity = None if action.capacity is None else round(factor * action.capacity)
        return replace(action, effect=effect, capacity=capacity)

    return replace(
        catalogue,
        actions=tuple(map(scale, catalogue.actions)),
        capacities=tuple(
            replace(limit, most=round(factor * limit.most)) for limit in catalogue.capacities
        ),
    )


def show_what_if(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Render today's plan and that of a scenario."""
    if context.is_restricted(visitor):
        return context.refuse_restricted(request, visitor)
    params = request.query_params
    try:
        if TYPED in params:
            return _redirect_form(params)
        scenario = Scenario.parse(params)
    except ChurnkitError as error:
        return context.page(
            request,
            "what_if.html",
            400,
            visitor=visitor,
            title=_("What if"),
            message=str(error),
            settings={name: params.get(name, "") for name in _LABELS},
            rows=(),
        )
    customers, today = context.customers, context.customers.decisions
    decisions = plan_scenario(customers, scenario, _decision_context(context))
    rows = [
        {
            "title": title,
            "today": _totals(today, number),
            "scenario": _totals(decisions, number),
        }
        for number, title in enumerate([*customers.titles.values(), None])
    ]
    return context.page(
        request,
        "what_if.html",
        visitor=visitor,
        title=_("What if"),
        settings=_fields(scenario),
        rows=rows,
        difference=decisions.total_gain.value - today.total_gain.value,
        chart=_budget_chart(context, scenario),
        query=request.url.query,
    )


def _fields(scenario: Scenario) -> dict[str, str]:
    """Return the settings as a person would type them."""
    return {
        name: "" if number is None else localize_number(exact_digits(number))
        for name, number in asdict(scenario).items()
    }


def _redirect_form(params: Mapping[str, str]) -> Response:
    """Lead from the fields of the form to an address whose numbers are in no locale."""
    from starlette.responses import RedirectResponse

    settings = read_typed(params, _LABELS)
    Scenario.parse(settings)
    return RedirectResponse(f"/what-if?{urlencode(settings)}", 303)


def _totals(decisions: Decisions, number: int) -> dict[str, Any]:
    """Return customers, cost and gain of an action, or of all for the last number."""
    is_total = number >= len(decisions.action_gains)
    rows = decisions.action >= 0 if is_total else decisions.action == number
    gain = decisions.total_gain if is_total else decisions.action_gains[number]
    cost = float(decisions.cost[rows].sum())
    return {"customers": int(rows.sum()), "cost": cost, "gain": gain}


def _decision_context(context: PageContext) -> Any:
    customers = context.customers
    if not customers.model.needs_context:
        return None
    return customers.model.decision_context(
        list(customers.customers), as_of=customers.day, journal=context.approvals.journal
    )


def _budget_chart(context: PageContext, scenario: Scenario) -> str:
    from markupsafe import Markup

    customers = context.customers
    model = customers.model
    changed = RetentionModel(replace(model.contents, catalogue=_scale(model.catalogue, scenario)))
    probability = customers.probability
    if scenario.threshold > 0.0:
        probability = np.where(probability >= scenario.threshold / 100.0, probability, np.nan)
    curve = plan_budgets(
        changed, probability, customers.encoded.matrix, _STEPS, context=_decision_context(context)
    )
    columns = (
        Column(_("Budget"), "money", "x"),
        Column(context.customers.horizons.gain_label, "money", "y", "saved"),
        *interval_columns("money"),
    )
    rows = tuple(zip(curve.budget, curve.value, curve.low, curve.high, strict=True))
    chart = Chart("budget_curve", _("Expected gain by budget"), columns, rows)
    markup = draw(chart, currency=customers.horizons.currency)
    return Markup(markup)  # noqa: S704  (every text in it is escaped)


def export_plan(context: PageContext, request: Request, visitor: Visitor) -> Response:
    """Write the plan of a scenario as CSV."""
    if context.is_restricted(visitor):
        return context.refuse_restricted(request, visitor)
    from starlette.responses import Response

    customers = context.customers
    decisions = plan_scenario(
        customers, Scenario.parse(request.query_params), _decision_context(context)
    )
    names = ("customer", "action", "cost", "expected_gain", "gain_low", "gain_high")
    rows = tuple(
        (
            customers.customers[row],
            decisions.names[decisions.action[row]],
            *(float(part[row]) for part in (decisions.cost, decisions.expected_gain)),
            *(float(part[row]) for part in (decisions.low, decisions.high)),
        )
        for row in np.flatnonzero(decisions.action >= 0).tolist()
    )
    table = Table("plan", "", tuple(map(Column, names)), rows)
    headers = context.pages.headers() | {"content-disposition": "attachment; filename=plan.csv"}
    return Response(to_csv(table), media_type="text/csv; charset=utf-8", headers=headers)
