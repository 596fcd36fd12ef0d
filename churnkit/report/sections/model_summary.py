"""Blocks of the model section for people: right predictions, churn found, groups compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from churnkit.core.number_format import format_percent
from churnkit.core.stats.special import wilson_interval
from churnkit.core.translation import _, mark_text, ngettext
from churnkit.insights.figure import Figure
from churnkit.report.blocks import Column, Figures, Table
from churnkit.report.card_texts import localize_card_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["found_customers", "group_table", "limit_sentences"]

_SHARE: Final = 0.2
_DIGITS: Final = 1


def found_customers(card: Mapping[str, Any]) -> Figures | None:
    """Build how many flagged customers churned, and how many churned customers were flagged.

    Parameters
    ----------
    card
        The model card, with the curves of the model and of the best single rule.
    """
    lift, evaluation = card.get("lift"), card.get("evaluation")
    if not lift or not evaluation:
        return None
    rows = list(zip(lift["share_of_customers"], lift["model"], lift["rule"], strict=True))
    share, by_model, by_rule = min(rows, key=lambda row: abs(row[0] - _SHARE))
    customers, churners = evaluation["rows"], evaluation["churners"]
    # Rows of one customer depend on each other: at worst, they count as one.
    weight = min(1.0, (card.get("data") or {}).get("test_customers", customers) / customers)
    flagged = share * customers
    group = _("the {share} of held-out customers at highest risk", share=format_percent(share, 0))
    found, by_chance = by_model * churners, share * churners
    return Figures(
        (
            Figure(
                "precision", _("Of the flagged customers, churned"), found / flagged, "share",
                _("churned customers among {group} / customers flagged", group=group),
                *_interval(found / flagged, weight * flagged),
                note=_("{churners} of all customers churned", churners=format_percent(churners / customers, _DIGITS)),
            ),
            Figure(
                "recall", _("Of the churned customers, flagged"), by_model, "share",
                _("churned customers among {group} / all churned customers", group=group),
                *_interval(by_model, weight * churners),
                note=_("{found:,.0f} of {churners:,}; {by_chance:,.0f} by chance", found=found, churners=churners, by_chance=by_chance),
            ),
            Figure(
                "recall_of_rule", _("Flagged by the best single rule"), by_rule, "share",
                _("the same with as many customers flagged by the rule"),
                *_interval(by_rule, weight * churners),
                note=_("{by_rule:,.0f} of {churners:,}", by_rule=by_rule * churners, churners=churners),
            ),
            Figure(
                "found_beyond_rule", _("Found beyond the rule"),
                round(by_model * churners) - round(by_rule * churners),
                "customers", _("churned customers flagged by the model - flagged by the rule"),
                note=_("among {customers:,} held-out customers", customers=customers),
            ),
        )
    )  # fmt: skip


def _interval(share: float, size: float) -> tuple[float, float]:
    low, high = wilson_interval(share, size)
    return float(low), float(high)


def group_table(card: Mapping[str, Any]) -> Table | None:
    """Build one table that compares the model between groups of customers."""
    slices = (card.get("slices") or {}).get("slices") or []
    if not slices:
        return None
    share = format_percent(card["slices"]["flag_share"], 0)
    different = sum(bool(_differences(group)) for group in slices)
    verdict = (
        _("No group differs significantly from all others")
        if not different
        else ngettext(
            "{count} of {slices} groups differs significantly from all others",
            "{count} of {slices} groups differ significantly from all others",
            different,
            slices=len(slices),
        )
    )
    return Table(
        "groups_compared",
        _("Groups compared"),
        (
            Column(_("Group")),
            Column(_("Customers"), "customers"),
            Column(_("Churned"), "customers"),
            Column(_("Flagged"), "share"),
            Column(_("Churned customers flagged"), "share"),
            Column(_("Predicted minus observed churn"), "points"),
            Column(_("Difference from others")),
        ),
        tuple(
            (
                f"{group['column']}: {localize_card_text(str(group['level']))}",
                group["customers"],
                group["churners"],
                _measure(group, "flagged"),
                _measure(group, "found"),
                None
                if _measure(group, "overprediction") is None
                else 100.0 * (_measure(group, "overprediction") or 0.0),
                ", ".join(_differences(group)) or None,
            )
            for group in slices
        ),
        _(
            "{verdict} (simultaneous {level} intervals of {comparisons} comparisons). Flagged: "
            "among the {share} of customers at highest risk. Held-out customers only.",
            verdict=verdict,
            level=format_percent(card["slices"]["level"], 0),
            comparisons=card["slices"]["comparisons"],
            share=share,
        ),
    )


_NAMES: Final = {
    "flagged": (mark_text("flagged more often"), mark_text("flagged less often")),
    "found": (mark_text("churn found more often"), mark_text("churn found less often")),
    "overprediction": (mark_text("risk overstated"), mark_text("risk understated")),
    "auc": (mark_text("ranked better"), mark_text("ranked worse")),
}


def _differences(group: Mapping[str, Any]) -> list[str]:
    """Describe the measures whose difference from all other customers excludes zero."""
    texts = []
    for name, (above, below) in _NAMES.items():
        gap = group["gaps"].get(name)
        if gap is None or gap["low"] is None or gap["high"] is None:
            continue
        if gap["low"] > 0.0:
            texts.append(_(above))
        elif gap["high"] < 0.0:
            texts.append(_(below))
    return texts


def _measure(group: Mapping[str, Any], name: str) -> float | None:
    measure = group["measures"].get(name)
    return None if measure is None else measure["value"]


def limit_sentences(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the model's limits without the differences between groups, which have a table."""
    found = set((card.get("slices") or {}).get("found") or ())
    return tuple(
        localize_card_text(str(limit)) for limit in card.get("limits") or () if limit not in found
    )
