"""Everything that a report tells, gathered from tables and a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from churnkit.insights.metrics.retention import RetentionMetrics, measure_retention
from churnkit.insights.metrics.settings import RetentionSettings
from churnkit.insights.metrics.surveys import Satisfaction, measure_satisfaction
from churnkit.insights.metrics.treatment_effects import MeasuredEffect, measure_effects
from churnkit.insights.scorecard import Scorecard, make_scorecard
from churnkit.insights.segmentation.rfm import BuyerSegment, measure_rfm
from churnkit.insights.sql_session import InsightsSession, open_business
from churnkit.insights.text.voice_of_customer import themes_of, topics_linked, uses_linked
from churnkit.report.scored_customers import Scored, score_customers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from churnkit.bundle.model import RetentionModel
    from churnkit.insights.metrics.risk_ratio import RiskRatio
    from churnkit.insights.text.embeddings import Embedder
    from churnkit.insights.text.topics import Themes
    from churnkit.journal import Journal

__all__ = ["Findings", "ModelFacts", "currency_of", "gather"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Which model it is, and what its card says."""

    name: str
    digest: str | None
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found; parts whose data were not given are None or empty.

    Parameters
    ----------
    as_of
        The date, ``2026-01-01``; empty where no table has times.
    currency
        Before amounts of money.
    settings
        Where definitions differ.
    period
        What the model's value is for: ``a month``, from the unit of its column.
    """

    as_of: str
    currency: str
    settings: RetentionSettings
    period: str = "a period"
    retention: RetentionMetrics | None = None
    satisfaction: Satisfaction | None = None
    themes: Themes | None = None
    topics: tuple[RiskRatio, ...] = ()
    uses: tuple[RiskRatio, ...] = ()
    buyers: tuple[BuyerSegment, ...] = ()
    effects: tuple[MeasuredEffect, ...] = ()
    scored: Scored | None = None
    model: ModelFacts | None = None
    scorecard: Scorecard | None = None


def gather(
    tables: Mapping[str, Any] | None = None,
    *,
    model: RetentionModel | None = None,
    customers: Any = None,
    as_of: Any = None,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    targets: Mapping[str, float] | None = None,
    budget: float | None = None,
    day: date | None = None,
    journal: Journal | None = None,
    currency: str = "",
    memory_limit: str = "1GB",
    spill_dir: str | None = None,
    threads: int | None = None,
    embed: Embedder | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Measure all that the tables and the model allow.

    Parameters
    ----------
    tables
        Raw tables by the names of `churnkit.insights.LAYOUTS`; see `retention_metrics`.
    model, customers
        A trained model, and a table with one row a customer as it takes them; without
        `customers`, a model with a timeline makes them from the raw tables.
    as_of, settings, columns, memory_limit, spill_dir, threads
        As in `churnkit.insights.retention_metrics`.
    targets
        Of the scorecard's lines, by name.
    budget
        The most that all actions may cost together.
    day, journal
        The day that is planned for (the tables' last one if not given), and what went out
        before, for catalogues with holdouts, exploration, dates or contact rules.
    currency
        Before amounts of money; taken from the schema's unit if not given.
    embed
        Gives texts their vectors, `churnkit.insights.load_embedder`: themes are then of texts that
        mean the same, not of those that share words.
    progress
        Called with a few words before each step.
    """
    settings = settings or RetentionSettings()
    found: dict[str, Any] = {"as_of": "", "settings": settings}
    if tables:
        with open_business(
            tables,
            as_of=as_of,
            settings=settings,
            columns=columns,
            memory_limit=memory_limit,
            spill_dir=spill_dir,
            threads=threads,
        ) as business:
            found |= _of_tables(business, progress, embed)
    if model is not None:
        found |= _of_model(
            model,
            customers,
            tables or {},
            as_of=found["as_of"] or as_of,
            settings=settings,
            budget=budget,
            day=day,
            journal=journal,
            progress=progress,
        )
        currency = currency or currency_of(model)
        found["period"] = _period(model)
    found["scorecard"] = _scorecard(found, targets)
    return Findings(currency=currency, **found)


def _of_tables(
    business: InsightsSession, progress: Callable[[str], None], embed: Embedder | None
) -> dict[str, Any]:
    retention = measure_retention(business, progress=progress)
    found: dict[str, Any] = {
        "as_of": f"{business.as_of:%Y-%m-%d}",
        "retention": retention,
    }
    if business.has("surveys"):
        progress("surveys: who is satisfied, who answers, who leaves")
        found["satisfaction"] = measure_satisfaction(business)
    progress("what customers write, and what goes with leaving")
    found["themes"] = themes_of(business, embed=embed)
    if retention.movements is not None:
        found["topics"] = topics_linked(business)
        found["uses"] = uses_linked(business)
    if retention.purchases is not None and business.has("orders"):
        found["buyers"] = measure_rfm(business)
    if business.has("treatments"):
        progress("past actions: what they did")
        found["effects"] = measure_effects(business)
    return found


def _of_model(
    model: RetentionModel,
    customers: Any,
    tables: Mapping[str, Any],
    *,
    as_of: Any,
    settings: RetentionSettings,
    budget: float | None,
    day: date | None,
    journal: Journal | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    found: dict[str, Any] = {"model": ModelFacts(model.name, model.digest, model.card)}
    timeline = model.contents.timeline
    horizon = settings.horizon_days
    if timeline is not None:
        horizon = int(getattr(timeline.label, "horizon_days", horizon))
        if customers is None and as_of and {one.source for one in timeline.tables} <= set(tables):
            progress("making the customers' rows from the raw tables")
            customers = model.snapshot(tables, as_of=as_of)
    if customers is not None:
        progress("the model: who is at risk, why, and which action pays")
        found["scored"] = score_customers(
            model,
            customers,
            budget=budget,
            day=day or _day_of(as_of),
            journal=journal,
            horizon_days=horizon,
        )
    return found


def _day_of(as_of: Any) -> date | None:
    """Take the day from the date that the tables are looked at."""
    try:
        return date.fromisoformat(str(as_of)[:10])
    except ValueError:
        return None


def currency_of(model: RetentionModel) -> str:
    """Take the currency from the unit of the value: ``USD a month``."""
    value = model.contract.value
    first = (value.unit or "").split(" ")[0] if value is not None else ""
    return first if len(first) == 3 and first.isupper() else ""


def _period(model: RetentionModel) -> str:
    """Take the period from the unit of the value: ``USD a month``."""
    value = model.contract.value
    unit = (value.unit or "") if value is not None else ""
    place = unit.find(" a ")
    return unit[place + 1 :] if place >= 0 else "a period"


def _scorecard(found: Mapping[str, Any], targets: Mapping[str, float] | None) -> Scorecard:
    facts: ModelFacts | None = found.get("model")
    scored: Scored | None = found.get("scored")
    evaluation: Mapping[str, Any] = facts.card.get("evaluation", {}) if facts else {}
    baseline = evaluation.get("baseline") or {}
    return make_scorecard(
        retention=found.get("retention"),
        satisfaction=found.get("satisfaction"),
        effects=found.get("effects", ()),
        actions=len(scored.actions) if scored else 0,
        auc=evaluation.get("metrics", {}).get("auc", {}).get("value"),
        rule_auc=baseline.get("auc", {}).get("value"),
        targets=targets,
    )
