"""Gather the metrics, model results and decisions that a report shows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from churnkit.bundle.parts.horizons import Horizons, find_horizons
from churnkit.bundle.parts.uplift import effect_sources
from churnkit.core.number_format import format_money
from churnkit.core.translation import _
from churnkit.errors import ChurnkitError
from churnkit.insights.metrics.churn_reasons import ChurnReasons, measure_churn_reasons
from churnkit.insights.metrics.journeys import Journeys, measure_journeys
from churnkit.insights.metrics.retention import RetentionMetrics, measure_retention
from churnkit.insights.metrics.settings import RetentionSettings
from churnkit.insights.metrics.surveys import Satisfaction, measure_satisfaction
from churnkit.insights.metrics.treatment_effects import MeasuredEffect, measure_effects
from churnkit.insights.scorecard import Scorecard, build_scorecard
from churnkit.insights.segmentation.rfm import BuyerSegment, measure_rfm
from churnkit.insights.sql_session import InsightsSession, open_session
from churnkit.insights.text.voice_of_customer import (
    measure_themes,
    ticket_risk_ratios,
    usage_risk_ratios,
)
from churnkit.report.input_tables import describe_churned, leave_out_churned
from churnkit.report.scored_customers import ScoredCustomers, score_customers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions import Catalogue, Decisions
    from churnkit.insights.metrics.risk_ratio import RiskRatio
    from churnkit.insights.text.embeddings import Embedder
    from churnkit.insights.text.topics import Themes
    from churnkit.journal import Journal

__all__ = ["ModelFacts", "ReportData", "gather_report_data"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Name, digest and model card of a model."""

    name: str
    digest: str | None
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReportData:
    """Content of a report; parts without input are None or empty.

    Parameters
    ----------
    as_of
        Date of the data, ``2026-01-01``; empty if no table has times.
    currency
        ISO 4217 code of the amounts; empty if unknown.
    settings
        Metric definitions.
    horizons
        Horizons of the churn probability, the at-risk revenue and the expected gain.
    measured, assumed
        Actions whose effects an experiment measured, and those whose effects are assumed.
    retention, satisfaction, themes, topics, uses, buyers, effects, journeys, reasons
        Results of `churnkit.insights` on the raw tables.
    scored, model
        Summary of the scored customers, and facts about the model.
    scorecard
        Measures and targets.
    note
        Remark on the data, shown in the summary.
    """

    as_of: str
    currency: str
    settings: RetentionSettings
    horizons: Horizons = field(default_factory=Horizons)
    measured: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    retention: RetentionMetrics | None = None
    satisfaction: Satisfaction | None = None
    themes: Themes | None = None
    topics: tuple[RiskRatio, ...] = ()
    uses: tuple[RiskRatio, ...] = ()
    buyers: tuple[BuyerSegment, ...] = ()
    effects: tuple[MeasuredEffect, ...] = ()
    journeys: Journeys | None = None
    reasons: ChurnReasons | None = None
    scored: ScoredCustomers | None = None
    model: ModelFacts | None = None
    scorecard: Scorecard | None = None
    note: str = ""

    def money(self, amount: float) -> str:
        """Format an amount in the report's currency, from 100 on without cents."""
        return format_money(amount, self.currency, cents=abs(amount) < 100)

    @property
    def effect_source(self) -> str:
        """The effects of a plan: measured by an experiment, assumed, or both."""
        if not self.measured:
            return _("the assumed effects of the catalogue")
        if not self.assumed:
            return _("the measured effects")
        return _(
            "the measured effects ({measured}) and assumed ones ({assumed})",
            measured=", ".join(self.measured),
            assumed=", ".join(self.assumed),
        )


def gather_report_data(
    tables: Mapping[str, Any] | None = None,
    *,
    model: RetentionModel | None = None,
    customers: Any = None,
    as_of: Any = None,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    memory_limit: str = "1GB",
    spill_dir: str | None = None,
    threads: int | None = None,
    targets: Mapping[str, float] | None = None,
    budget: float | None = None,
    day: date | None = None,
    journal: Journal | None = None,
    decisions: Decisions | None = None,
    currency: str = "",
    note: str = "",
    embed: Embedder | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> ReportData:
    """Compute everything that the tables and the model allow.

    Parameters
    ----------
    tables
        Raw tables by the names of `churnkit.insights.LAYOUTS`; see `retention_metrics`.
    model, customers
        A trained model, and a table with one row per customer as the model takes it. Customers
        who have left by the label of a table without as-of dates are left out. Without
        `customers`, a model with a timeline builds the rows from the raw tables.
    as_of, settings, columns, memory_limit, spill_dir, threads
        As for `churnkit.insights.retention_metrics`.
    targets
        Targets of scorecard measures, by name.
    budget
        Maximum total cost of all actions, in money.
    day, journal
        Day to plan for (default: the date of the tables), and the log of earlier decisions, for
        catalogues with holdouts, exploration, dates or contact rules.
    decisions
        Decisions on `customers`, in order, such as those of a recorded plan; None to plan here.
    currency
        ISO 4217 code; default: from the unit of the schema's value column.
    note
        Remark on the data, shown in the summary.
    embed
        Function from texts to vectors, such as `churnkit.insights.load_embedder` returns: themes
        then group texts by meaning instead of by shared words.
    progress
        Called with a description of each step before it begins.

    Returns
    -------
    ReportData
        The content of a report.

    Raises
    ------
    DataError
        If a table or a needed column is missing or cannot be read.
    ChurnkitError
        If all customers have left, or some that `decisions` are on.
    RecipeError
        If a table's name is unknown.
    """
    settings = settings or RetentionSettings()
    data: dict[str, Any] = {"as_of": "", "settings": settings}
    if tables:
        with open_session(
            tables,
            as_of=as_of,
            settings=settings,
            columns=columns,
            memory_limit=memory_limit,
            spill_dir=spill_dir,
            threads=threads,
        ) as session:
            data |= _table_metrics(session, progress, embed)
    catalogue = None if model is None else model.contents.catalogue
    if catalogue is not None and data.get("effects"):
        data["effects"] = _name_actions(data["effects"], catalogue)
    if model is not None:
        data |= _model_results(
            model,
            customers,
            tables or {},
            as_of=data["as_of"] or as_of,
            settings=settings,
            budget=budget,
            day=day,
            journal=journal,
            decisions=decisions,
            progress=progress,
        )
        currency = currency or data["horizons"].currency
    data["scorecard"] = _scorecard(data, targets)
    note = " ".join(filter(None, (data.pop("left", ""), note)))
    return ReportData(currency=currency, note=note, **data)


def _table_metrics(
    session: InsightsSession, progress: Callable[[str], None], embed: Embedder | None
) -> dict[str, Any]:
    retention = measure_retention(session, progress=progress)
    data: dict[str, Any] = {"as_of": f"{session.as_of:%Y-%m-%d}", "retention": retention}
    if session.has("surveys"):
        progress("surveys: satisfaction, response rates, later churn")
        data["satisfaction"] = measure_satisfaction(session)
    progress("customer feedback and its relation to churn")
    data["themes"] = measure_themes(session, embed=embed)
    if retention.movements is not None:
        data["topics"] = ticket_risk_ratios(session)
        data["uses"] = usage_risk_ratios(session)
        data["reasons"] = measure_churn_reasons(session)
        if session.has("events"):
            progress("events: journeys of new customers and before churn")
            data["journeys"] = measure_journeys(session)
    if retention.purchases is not None and session.has("orders"):
        data["buyers"] = measure_rfm(session)
    if session.has("treatments"):
        progress("past actions: effects on churn")
        data["effects"] = measure_effects(session)
    return data


def _model_results(
    model: RetentionModel,
    customers: Any,
    tables: Mapping[str, Any],
    *,
    as_of: Any,
    settings: RetentionSettings,
    budget: float | None,
    day: date | None,
    journal: Journal | None,
    decisions: Decisions | None,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    timeline, horizons = model.contents.timeline, find_horizons(model)
    data: dict[str, Any] = {
        "model": ModelFacts(model.name, model.digest, model.card),
        "horizons": horizons,
        **effect_sources(model.contents.catalogue, model.contents.uplift),
    }
    has_tables = timeline is not None and {
        name for t in timeline.tables for name in t.sources
    } <= set(tables)
    if customers is None and as_of and has_tables:
        progress("building customer rows from the raw tables")
        customers = model.snapshot(tables, as_of=as_of)
    if customers is not None:
        from churnkit.contracts.arrow_interop import as_arrow

        rows = as_arrow(customers)
        customers, left = leave_out_churned(model, rows)
        data["left"] = describe_churned(model, left, len(rows))
        if left and decisions is not None:
            raise ChurnkitError(
                f"{left:,} decisions are on customers who have left: leave them out of the "
                "customers and the decisions"
            )
        if left:
            progress(data["left"])
        progress("scoring customers, explaining scores, planning actions")
        data["scored"] = score_customers(
            model,
            customers,
            budget=budget,
            day=day or _day_of(as_of),
            journal=journal,
            decisions=decisions,
            horizon_days=horizons.risk_days or settings.horizon_days,
        )
    return data


def _name_actions(
    effects: Iterable[MeasuredEffect], catalogue: Catalogue
) -> tuple[MeasuredEffect, ...]:
    """Return effects with the actions' titles, as other sections name them."""
    titles = {action.name: action.title for action in catalogue.actions}
    return tuple(
        replace(effect, action=titles.get(effect.action, effect.action)) for effect in effects
    )


def _day_of(as_of: Any) -> date | None:
    """Return the day of the tables' date; None if there is none."""
    try:
        return date.fromisoformat(str(as_of)[:10])
    except ValueError:
        return None


def _scorecard(data: Mapping[str, Any], targets: Mapping[str, float] | None) -> Scorecard:
    facts: ModelFacts | None = data.get("model")
    scored: ScoredCustomers | None = data.get("scored")
    evaluation: Mapping[str, Any] = facts.card.get("evaluation", {}) if facts else {}
    baseline = evaluation.get("baseline") or {}
    return build_scorecard(
        retention=data.get("retention"),
        satisfaction=data.get("satisfaction"),
        effects=data.get("effects", ()),
        actions=len(scored.actions) if scored else 0,
        auc=evaluation.get("metrics", {}).get("auc", {}).get("value"),
        rule_auc=baseline.get("auc", {}).get("value"),
        targets=targets,
    )
