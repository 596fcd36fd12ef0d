"""Blocks of the model section for people: right predictions, churn found, groups compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from churnkit.core.number_format import format_percent
from churnkit.insights.figure import Figure
from churnkit.report.blocks import Column, Figures, Table

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
    flagged = share * customers
    group = f"the {format_percent(share, 0)} of held-out customers at highest risk"
    found, by_chance = by_model * churners, share * churners
    return Figures(
        (
            Figure(
                "precision", "Of the flagged customers, churned", found / flagged, "share",
                f"churned customers among {group} / customers flagged",
                note=f"{format_percent(churners / customers, _DIGITS)} of all customers churned",
            ),
            Figure(
                "recall", "Of the churned customers, flagged", by_model, "share",
                f"churned customers among {group} / all churned customers",
                note=f"{found:,.0f} of {churners:,}; {by_chance:,.0f} by chance",
            ),
            Figure(
                "recall_of_rule", "Flagged by the best single rule", by_rule, "share",
                "the same with as many customers flagged by the rule",
                note=f"{by_rule * churners:,.0f} of {churners:,}",
            ),
            Figure(
                "found_beyond_rule", "Found beyond the rule",
                round(by_model * churners) - round(by_rule * churners),
                "customers", "churned customers flagged by the model - flagged by the rule",
                note=f"among {customers:,} held-out customers",
            ),
        )
    )  # fmt: skip


def group_table(card: Mapping[str, Any]) -> Table | None:
    """Build one table that compares the model between groups of customers."""
    slices = (card.get("slices") or {}).get("slices") or []
    if not slices:
        return None
    share = format_percent(card["slices"]["flag_share"], 0)
    different = sum(bool(_differences(group)) for group in slices)
    verdict = (
        "No group differs significantly from all others"
        if not different
        else f"{different} of {len(slices)} groups differ significantly from all others"
    )
    return Table(
        "groups_compared",
        "Groups compared",
        (
            Column("Group"),
            Column("Customers", "customers"),
            Column("Churned", "customers"),
            Column("Flagged", "share"),
            Column("Churned customers flagged", "share"),
            Column("Predicted minus observed churn", "points"),
            Column("Difference from others"),
        ),
        tuple(
            (
                f"{group['column']}: {group['level']}",
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
        f"{verdict} (simultaneous {format_percent(card['slices']['level'], 0)} intervals of "
        f"{card['slices']['comparisons']} comparisons). Flagged: among the {share} of customers at "
        "highest risk. Held-out customers only.",
    )


_NAMES: Final = {
    "flagged": ("flagged more often", "flagged less often"),
    "found": ("churn found more often", "churn found less often"),
    "overprediction": ("risk overstated", "risk understated"),
    "auc": ("ranked better", "ranked worse"),
}


def _differences(group: Mapping[str, Any]) -> list[str]:
    """Describe the measures whose difference from all other customers excludes zero."""
    texts = []
    for name, (above, below) in _NAMES.items():
        gap = group["gaps"].get(name)
        if gap is None or gap["low"] is None or gap["high"] is None:
            continue
        if gap["low"] > 0.0:
            texts.append(above)
        elif gap["high"] < 0.0:
            texts.append(below)
    return texts


def _measure(group: Mapping[str, Any], name: str) -> float | None:
    measure = group["measures"].get(name)
    return None if measure is None else measure["value"]


def limit_sentences(card: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the model's limits without the differences between groups, which have a table."""
    found = set((card.get("slices") or {}).get("found") or ())
    return tuple(str(limit) for limit in card.get("limits") or () if limit not in found)
