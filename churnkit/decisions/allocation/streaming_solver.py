"""Plan for more customers than fit in memory, by successively smaller boxes of prices.

A sample gives approximate prices and a box around them. Customers whose best action is constant in
the box are settled and enter a few sums; a sample of the others gives better prices and a smaller
box, until all open customers fit in memory and are planned exactly.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from churnkit.decisions.allocation.allocate import allocate
from churnkit.decisions.allocation.dual import price_scales, search_prices, snap_to_zero, solve_dual
from churnkit.decisions.allocation.exact_sum import exact_sum, rounded
from churnkit.decisions.allocation.plan import StreamingPlan
from churnkit.decisions.allocation.primal import improve_plan, primal_plan
from churnkit.decisions.allocation.streaming_passes import BoxPass, SurveyPass

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.allocation.problem import AllocationProblem, Floats, Ints
    from churnkit.decisions.allocation.streaming_passes import (
        BoxResult,
        CustomerRows,
        Limits,
        SurveyResult,
    )

__all__ = ["PassRunner", "solve_streaming"]

_MAX_KEY = 2**64 - 1
# Customers that always fit in memory: up to so many are planned as by `allocate`.
_MIN_SAMPLE = 16_384
# Maximum number of passes that narrow the box.
_MAX_ROUNDS = 24
_MIN_NARROWING, _MAX_NARROWING = 2.0, 64.0
_WIDENING = 4.0
# Parts of a sample whose prices give the standard error.
_PARTS = 4
# Steps of the bisection of a retreat, and of the search for the widest box that fits in memory.
_BISECTIONS = 24
# Radius of a box in standard errors of its sample.
_STANDARD_ERRORS = 4.0
_LARGE_GAP = 1e-5
# A plan that is not proven to be as good is compared with that of all customers in memory, if
# their gains are at most so many numbers (64 MB, and as much for costs).
_CERTIFIED_GAP, _MOST_IN_MEMORY = 1e-4, 2**23
# Radius of exact prices in typical gains: four times the perturbation that breaks ties.
_NEARLY_ALIKE = 4e-6
# Relative margin for the rounding error of a bound.
_BOUND_MARGIN = 1e-12
# Radius of the widest box in typical gains, and the share of the sample that it should fill.
_WIDEST, _FILLED = 2.0**20, 0.9
# Price increases of a retreat, each four times as large as the one before.
_MAX_RETREATS = 60


class PassRunner(Protocol):
    """Run a pass over all customers and merge the results."""

    @overload
    def __call__(self, task: SurveyPass) -> SurveyResult: ...
    @overload
    def __call__(self, task: BoxPass) -> BoxResult: ...


def solve_streaming(
    run_pass: PassRunner, limits: Limits, *, sample: int, below: int = _MAX_KEY
) -> StreamingPlan:
    """Return a plan within all limits, by passes that return sums and samples.

    Parameters
    ----------
    run_pass
        Function that runs a pass over all customers.
    limits
        Budget and capacities.
    sample
        Maximum number of customers held in memory, at least 16,384.
    below
        Largest key of the first sample: if the number of customers is known, fewer are sent.
    """
    sample = max(sample, _MIN_SAMPLE)
    survey = run_pass(SurveyPass(limits, sample, below))
    live = _drop_slack_limits(limits, survey)
    if _within_limits(live, survey.counts, survey.cost):
        return _unlimited_plan(limits, survey)
    rows = survey.sample.in_order()
    if rows.keys.shape[0] == survey.feasible:
        return _plan_in_memory(limits, live, survey, rows)
    return _Search(run_pass, limits, live, sample, survey).run()


def _drop_slack_limits(limits: Limits, survey: SurveyResult) -> Limits:
    """Remove limits that cannot bind."""
    most = limits.most.copy()
    if math.isfinite(most[0]) and survey.max_cost <= exact_sum(most[:1]):
        most[0] = np.inf
    most[1:][survey.possible <= most[1:]] = np.inf
    return replace(limits, most=most)


def _within_limits(limits: Limits, counts: Ints, cost: int) -> bool:
    budget = limits.most[:1]
    affordable = not math.isfinite(budget[0]) or cost <= exact_sum(budget)
    return affordable and bool((limits.uses @ counts <= limits.most[1:]).all())


def _unlimited_plan(limits: Limits, survey: SurveyResult) -> StreamingPlan:
    value = rounded(survey.value)
    return StreamingPlan(
        limits,
        prices=np.zeros(limits.most.shape[0]),
        center=None,
        radius=None,
        keys=np.zeros(0, dtype=np.uint64),
        action=np.zeros(0, dtype=np.int64),
        counts=survey.counts,
        rows=survey.rows,
        cost=rounded(survey.cost),
        value=value,
        bound=value,
    )


def _plan_in_memory(
    limits: Limits, live: Limits, survey: SurveyResult, rows: CustomerRows
) -> StreamingPlan:
    """Plan all customers in memory by `allocate`."""
    actions = rows.gain.shape[1]
    shared = [
        (most, np.flatnonzero(uses).tolist())
        for most, uses in zip(live.most[1 + actions :], live.uses[actions:], strict=True)
    ]
    plan = allocate(
        rows.gain,
        rows.cost,
        budget=None if np.isinf(live.most[0]) else float(live.most[0]),
        capacity=live.most[1 : 1 + actions],
        shared=shared,
    )
    shadow = plan.shadow_prices
    action = plan.action.copy()
    cost, value = _enforce_budget(rows, action, 0, live.most[0])
    return StreamingPlan(
        limits,
        prices=np.concatenate([[shadow.budget], shadow.capacity, shadow.shared]),
        center=np.zeros(limits.most.shape[0]),
        radius=None,
        keys=rows.keys,
        action=action,
        counts=_counts(action, actions),
        rows=survey.rows,
        cost=rounded(cost),
        value=rounded(value),
        bound=max(plan.bound, rounded(value)),
    )


class _Search:
    """Passes after the first, until the plan is found."""

    def __init__(
        self, run_pass: PassRunner, limits: Limits, live: Limits, sample: int, survey: SurveyResult
    ) -> None:
        self._run_pass, self._limits, self._live = run_pass, limits, live
        self._sample, self._survey = sample, survey
        self._binds = np.isfinite(live.most)
        self._bound = math.inf
        self._rows = survey.sample.in_order()

    # Prices may overflow for extreme amounts: the plan is still within its limits, since sums are
    # exact, and its gap is 1.
    @np.errstate(divide="ignore", invalid="ignore", over="ignore")
    def run(self) -> StreamingPlan:
        """Return the plan, starting from the first sample."""
        plan = self._narrow()
        if plan.gap > _LARGE_GAP:
            plan = self._widen(plan)
        cells = self._survey.feasible * self._limits.uses.shape[1]
        if plan.gap > _CERTIFIED_GAP and cells <= _MOST_IN_MEMORY:
            plan = self._replan_in_memory(plan)
        return plan

    def _narrow(self) -> StreamingPlan:
        """Return the plan of the smallest box that is known to hold the prices."""
        rows = self._rows
        count = rows.keys.shape[0]
        sample = self._live.problem(rows, self._live.most * (count / self._survey.feasible))
        self._scale = np.where(self._binds, price_scales(sample), 0.0)
        prices = solve_dual(sample)
        radius = _STANDARD_ERRORS / math.sqrt(count) * self._scale
        share = 1.0 - float(sample.settled_actions(prices, radius)[0].mean())
        for _ in range(_MAX_ROUNDS):
            box, result = self._run_box_pass(prices, radius, share * self._survey.feasible)
            rest = self._remaining(result)
            open_rows = result.sample.in_order()
            sampled = open_rows.keys.shape[0]
            if sampled == 0:
                if (rest >= 0.0).all():
                    return self._build_plan(box, result, prices, open_rows)
                break
            weight = result.open / sampled
            near = self._live.problem(
                open_rows, rest / weight, rounded(result.perturbed_value) / weight
            )
            better = self._search(near, prices, radius)
            if sampled == result.open:
                better = snap_to_zero(near, better, self._scale)
            inside = bool((np.abs(better - prices) <= radius).all())
            if inside and sampled == result.open and (rest >= 0.0).all():
                self._update_bound(near.evaluate_dual(better)[0])
                return self._build_plan(box, result, better, open_rows)
            share = result.open / self._survey.feasible
            if inside and sampled < result.open:
                error = self._standard_error(near, better, radius)
                narrowest = radius / _MAX_NARROWING
                radius = np.clip(_STANDARD_ERRORS * error, narrowest, radius / _MIN_NARROWING)
                share *= float((~near.settled_actions(better, radius)[0]).mean())
            else:
                radius = radius * _WIDENING
                share = min(1.0, _WIDENING * share)
            prices = better
        return self._retreat(prices)

    def _widen(self, plan: StreamingPlan) -> StreamingPlan:
        """Plan the customers of the widest box that fit in memory; return the better plan.

        Where limits suffice for few customers, or many are alike, a small box has too few
        customers to use what remains of the limits.
        """
        problem, feasible = self._live.problem(self._rows), self._survey.feasible
        narrow, wide = 0.0, _WIDEST
        for _ in range(2 * _BISECTIONS):
            middle = 0.5 * (narrow + wide)
            settled = problem.settled_actions(plan.prices, middle * self._scale)[0]
            if feasible * (1.0 - float(settled.mean())) <= _FILLED * self._sample:
                narrow = middle
            else:
                wide = middle
        box, result = self._run_box_pass(plan.prices, narrow * self._scale, _FILLED * self._sample)
        open_rows = result.sample.in_order()
        if open_rows.keys.shape[0] < result.open or (self._remaining(result) < 0.0).any():
            return plan
        wider = self._build_plan(box, result, plan.prices, open_rows)
        return max(plan, wider, key=lambda each: each.value)

    def _replan_in_memory(self, plan: StreamingPlan) -> StreamingPlan:
        """Plan all customers as `allocate` does; return the better plan.

        Where few customers have most of the gain, the bound of the linear relaxation proves little.
        """
        survey = self._run_pass(SurveyPass(self._limits, self._survey.feasible))
        whole = _plan_in_memory(self._limits, self._live, survey, survey.sample.in_order())
        better = max(plan, whole, key=lambda each: each.value)
        return replace(better, bound=max(better.value, min(plan.bound, whole.bound)))

    def _search(self, near: AllocationProblem, prices: Floats, radius: Floats) -> Floats:
        fence = (prices, 3.0 * radius)
        return search_prices(near, prices, radius, self._binds, fence, step=0.3, tolerance=1e-4)

    def _standard_error(self, near: AllocationProblem, better: Floats, radius: Floats) -> Floats:
        """Estimate the standard error of prices from a sample, by its parts."""
        estimates = []
        for part in range(_PARTS):
            rows = np.arange(part, near.rows, _PARTS)
            if rows.shape[0]:
                problem = near.subset(rows, near.limits / _PARTS, near.base / _PARTS)
                estimates.append(self._search(problem, better, radius))
        deviations = np.array(estimates) - better
        error: Floats = np.sqrt((deviations**2).mean(axis=0) / _PARTS)
        return error

    def _run_box_pass(
        self, prices: Floats, radius: Floats, expected: float
    ) -> tuple[BoxPass, BoxResult]:
        """Run a box pass whose sample is about twice the needed number of open customers."""
        share = 2.0 * self._sample / max(expected, 1.0)
        below = _MAX_KEY if share >= 1.0 else int(share * _MAX_KEY)
        box = BoxPass(self._live, prices, radius, self._sample, below)
        result = self._run_pass(box)
        used = np.concatenate([[rounded(result.cost)], self._live.uses @ result.counts])
        paid = float((prices * np.where(self._binds, self._live.most - used, 0.0)).sum())
        self._update_bound(rounded(result.perturbed_value), rounded(result.open_value), paid)
        return box, result

    def _update_bound(self, *parts: float) -> None:
        """Lower the upper bound to a sum of terms if it is smaller."""
        bound = sum(parts) + _BOUND_MARGIN * sum(map(abs, parts))
        if math.isfinite(bound):
            self._bound = min(self._bound, bound)

    def _remaining(self, result: BoxResult) -> Floats:
        """Return the limits less the use of the settled customers."""
        rest = self._live.most.copy()
        if math.isfinite(rest[0]):
            rest[0] = rounded(exact_sum(rest[:1]) - result.cost)
        rest[1:] -= self._live.uses @ result.counts
        return rest

    def _build_plan(
        self, box: BoxPass, result: BoxResult, prices: Floats, open_rows: CustomerRows
    ) -> StreamingPlan:
        action = np.zeros(0, dtype=np.int64)
        if open_rows.keys.shape[0]:
            action = _plan_open(self._live.problem(open_rows, self._remaining(result)), prices)
        cost, value = _enforce_budget(open_rows, action, result.cost, self._live.most[0])
        total = rounded(result.value + value)
        return StreamingPlan(
            self._limits,
            prices=prices,
            center=box.prices,
            radius=box.radius,
            keys=open_rows.keys,
            action=action,
            counts=result.counts + _counts(action, result.counts.shape[0]),
            rows=self._survey.rows,
            cost=rounded(result.cost + cost),
            value=total,
            bound=max(total, self._bound),
        )

    def _retreat(self, prices: Floats) -> StreamingPlan:
        """Raise the prices of exceeded limits until the best actions are within all, but no more.

        The smallest sufficient increase is found by bisection; customers near these prices are
        then planned exactly within the remaining limits.
        """
        low, step = prices, 1e-6
        for _ in range(_MAX_RETREATS):
            _, result = self._run_box_pass(prices, np.zeros_like(prices), 1.0)
            over = self._remaining(result) < 0.0
            if not over.any():
                break
            low = prices
            prices = np.where(over, prices * (1.0 + step) + step * self._scale, prices)
            step *= 4.0
        else:
            return self._empty_plan(prices)
        for _ in range(_BISECTIONS if low is not prices else 0):
            middle = 0.5 * (low + prices)
            _, result = self._run_box_pass(middle, np.zeros_like(prices), 1.0)
            if (self._remaining(result) >= 0.0).all():
                prices = middle
            else:
                low = middle
        return self._fill(prices)

    def _fill(self, prices: Floats) -> StreamingPlan:
        """Build a plan at prices whose best actions are within all limits.

        The box is the widest whose open customers fit in memory: they use what remains.
        """
        no_radius = np.zeros_like(prices)
        box, result = self._run_box_pass(prices, no_radius, 1.0)
        best = self._build_plan(box, result, prices, result.sample.in_order())
        radius = self._scale * 1e-2
        for _ in range(_BISECTIONS):
            box, result = self._run_box_pass(prices, radius, float(self._sample))
            open_rows = result.sample.in_order()
            if open_rows.keys.shape[0] == result.open:
                plan = self._build_plan(box, result, prices, open_rows)
                return plan if plan.value > best.value else best
            radius = radius / 4.0
        return best

    def _empty_plan(self, prices: Floats) -> StreamingPlan:
        """Return the plan without any action."""
        return replace(
            _unlimited_plan(self._limits, self._survey),
            prices=prices,
            center=np.zeros(prices.shape[0]),
            counts=np.zeros_like(self._survey.counts),
            cost=0.0,
            value=0.0,
            bound=self._bound,
        )


def _plan_open(problem: AllocationProblem, prices: Floats) -> Ints:
    bound = problem.evaluate_dual(prices)[0]
    action = primal_plan(problem, prices, bound)
    if bound - problem.value(action) > _LARGE_GAP * bound:
        # Among customers who are nearly alike, plans differ with prices that hardly differ.
        exact = solve_dual(problem, prices, radius_scale=_NEARLY_ALIKE)
        other = primal_plan(problem, exact, problem.evaluate_dual(exact)[0])
        if problem.value(other) > problem.value(action):
            prices, action = exact, other
    if bound - problem.value(action) > _LARGE_GAP * bound:
        action = improve_plan(problem, prices, action)
    return action


def _enforce_budget(
    rows: CustomerRows, action: Ints, before: int, budget: float
) -> tuple[int, int]:
    """Remove the smallest gains while the cost exceeds the budget; return exact cost and gain.

    `action` is changed in place.
    """
    duplicates = rows.keys[1:] == rows.keys[:-1]
    # Customers with the same key cannot be distinguished: neither gets an action.
    action[1:][duplicates] = action[:-1][duplicates] = -1
    while True:
        assigned = np.flatnonzero(action >= 0)
        chosen = action[assigned]
        cost, gain = rows.cost[assigned, chosen], rows.gain[assigned, chosen]
        total_cost = exact_sum(cost)
        if not math.isfinite(budget) or before + total_cost <= exact_sum(np.array([budget])):
            return total_cost, exact_sum(gain)
        paid = np.flatnonzero(cost > 0.0)
        action[assigned[paid[np.argmin(gain[paid])]]] = -1


def _counts(action: NDArray[np.int64], actions: int) -> Ints:
    counts: Ints = np.bincount(action[action >= 0], minlength=actions).astype(np.int64)
    return counts
