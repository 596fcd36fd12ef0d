"""Render a model card as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from churnkit.core.number_format import format_estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from churnkit.bundle.format.manifest import Manifest

__all__ = ["render_card"]

_TITLES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "top_decile_lift": "Lift in the top decile",
    "top_decile_share": "Share of churners in the top decile",
}
_MEASURES = ("auc", "overprediction", "flagged", "found")


def render_card(card: Mapping[str, Any], manifest: Manifest | None = None) -> str:
    """Render a bundle's card as Markdown; sections without data are left out.

    Parameters
    ----------
    card
        Of a `RetentionModel`.
    manifest
        Of its bundle, for the name and the lineage.

    Returns
    -------
    str

    Examples
    --------
    >>> print(render_card({"use": "To see who leaves.", "limits": ["Not for prices."]}))
    # Model card
    <BLANKLINE>
    ## Use
    <BLANKLINE>
    To see who leaves.
    <BLANKLINE>
    ## Limits
    <BLANKLINE>
    - Not for prices.
    <BLANKLINE>
    """
    parts = [
        _head(card, manifest),
        _section("Use", [_plain(card["use"])] if card.get("use") else []),
        _section("Limits", [f"- {_plain(limit)}" for limit in card.get("limits", ())]),
        _section("Data", _data(card)),
        _section("Performance", _metrics(card)),
        _section("Calibration", _calibration(card)),
        _section("Groups", _slices(card)),
        _section("Drivers", _drivers(card)),
        _section("Survival", _lifetime(card)),
        _section("Causes of churn", _causes(card)),
        _section("Learning curve", _learning(card)),
        _section("Environment", _lineage(manifest)),
    ]
    return "\n".join(part for part in parts if part)


def _head(card: Mapping[str, Any], manifest: Manifest | None) -> str:
    if manifest is None:
        return "# Model card\n"
    model = f"{_plain(card.get('winner', 'model'))}; bundle {manifest.digest}"
    return f"# Model card: {_plain(manifest.name)}\n\n{model}\n"


def _section(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *lines, ""]) if lines else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows]
    return lines


def _plain(text: Any) -> str:
    """Escape Markdown and HTML."""
    flat = re.sub(r"\s+", " ", str(text)).strip()
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", flat)


def _interval(estimate: Mapping[str, float] | None, digits: int = 3) -> str:
    if estimate is None:
        return ""
    return format_estimate(estimate["value"], estimate["low"], estimate["high"], f".{digits}f")


def _data(card: Mapping[str, Any]) -> list[str]:
    data = card.get("data")
    if not data:
        return []
    period = data.get("period")
    dates = f"{period['first']} to {period['last']}" if period else "no date in the table"
    tested = f"{card['train_rows']:,} for training, {card['test_rows']:,} held out"
    if card.get("test_folds", 1) > 1:
        tested = f"all in the registered model; all tested, in {card['test_folds']} folds"
    elif "registered_rows" in card:
        tested = f"all in the registered model; test: {tested}"
    facts = {
        "rows": f"{data['rows']:,} ({tested})",
        "churned": f"{data['churners']:,} ({data['churners'] / data['rows']:.1%})",
        "period": dates,
        "features": data["features"],
        "schema": data["schema"],
        "digest of the table": data["digest"],
        "digest of the contract": data["contract"],
    }
    return _table(("", ""), facts.items())


def _metrics(card: Mapping[str, Any]) -> list[str]:
    evaluation = card.get("evaluation")
    if not evaluation:
        return []
    rule = evaluation.get("baseline") or {}
    metrics = evaluation["metrics"]
    # Known metrics in the order of _TITLES, since JSON objects have none.
    names = [name for name in _TITLES if name in metrics]
    names += sorted(set(metrics) - set(names))
    rows = [
        (_TITLES.get(name, name), _interval(metrics[name]), _interval(rule.get(name)))
        for name in names
    ]
    sample = (
        f"Measured on {evaluation['rows']:,} held-out customers with "
        f"{evaluation['churners']:,} churners; 95% intervals."
    )
    if card.get("test_folds", 1) > 1:
        sample += (
            f" Each customer was scored by one of {card['test_folds']} models that were fitted "
            "without it; the registered one has the same settings and was fitted on all rows."
        )
    elif "registered_rows" in card:
        sample += (
            " The measured model was fitted without them; the registered one has the same settings "
            "and was fitted on all rows."
        )
    lines = [sample, "", *_table(("metric", "model", "rule"), rows)]
    if card.get("rule"):
        lines += ["", f"Rule: {_plain(card['rule'])}"]
    return lines


def _calibration(card: Mapping[str, Any]) -> list[str]:
    curve = card.get("calibration")
    if not curve:
        return []
    names = ("predicted_probability", "churn_rate", "low", "high", "customers")
    rows = [
        (f"{predicted:.1%}", format_estimate(rate, low, high, ".1%"), f"{customers:,.0f}")
        for predicted, rate, low, high, customers in zip(
            *(curve[name] for name in names), strict=True
        )
    ]
    return _table(("predicted", "churned", "customers"), rows)


def _slices(card: Mapping[str, Any]) -> list[str]:
    slices = card.get("slices")
    if not slices:
        return []
    share = slices["flag_share"]
    rows = [
        (
            f"{group['column']}: {group['level']}",
            f"{group['customers']:,}",
            f"{group['churners'] / group['customers']:.1%}",
            *(_interval(group["measures"].get(name)) for name in _MEASURES),
        )
        for group in slices["slices"]
    ]
    head = ("group", "customers", "churned", "AUC", "overprediction", "flagged", "recall")
    findings = [f"- {_plain(sentence)}" for sentence in slices.get("found", ())]
    legend = (
        f"Flagged: share among the {share:.0%} at highest risk. Recall: flagged share of churners."
    )
    left_out = slices.get("left_out")
    few = f" {left_out} groups have too few customers to be shown." if left_out else ""
    verdict = [_plain(slices["verdict"]), *(["", *findings] if findings else [])]
    return [*verdict, "", f"{legend}{few}", "", *_table(head, rows)] if rows else verdict


def _drivers(card: Mapping[str, Any]) -> list[str]:
    drivers = card.get("drivers")
    if not drivers:
        return []
    rows = [
        (
            driver["title"],
            f"{driver['share']:.0%}",
            f"{driver['points']:.1f}",
            f"{driver['log_odds']:.3f}",
        )
        for driver in drivers
    ]
    head = ("column", "share", "mean effect, points", "mean absolute Shapley value, log-odds")
    lines = _table(head, rows)
    for driver in drivers:
        if driver.get("dependence"):
            points = [
                (point["says"], f"{point['churn_probability']:.1%}")
                for point in driver["dependence"]
            ]
            lines += [
                "",
                f"Mean predicted churn with this value for all customers: {_plain(driver['title'])}",
                "",
            ]
            lines += _table(("", "churn"), points)
    return lines


def _lifetime(card: Mapping[str, Any]) -> list[str]:
    lifetime = card.get("lifetime")
    if not lifetime:
        return []
    rows = [
        (f"{horizon:g}", f"{predicted:.1%}", format_estimate(rate, low, high, ".1%"))
        for horizon, predicted, rate, low, high in lifetime["calibration"]
    ]
    sample = (
        f"Hazard model on {lifetime['customers']:,} held-out customers with "
        f"{lifetime['left']:,} observed churns; concordance {lifetime['concordance']:.3f}; "
        f"observed up to {lifetime['observed_to']:g}. By tenth of the predictions:"
    )
    lines = [sample, "", *_table(("within", "predicted", "churned"), rows)]
    causes = [
        (cause, f"{horizon:g}", f"{predicted:.1%}", format_estimate(rate, low, high, ".1%"))
        for cause, horizon, predicted, rate, low, high in lifetime.get("causes", ())
    ]
    if causes:
        lines += ["", "Cumulative incidence by cause, against the Aalen-Johansen estimate:", ""]
        lines += _table(("cause", "within", "predicted", "churned"), causes)
    return lines


def _causes(card: Mapping[str, Any]) -> list[str]:
    causes = card.get("causes")
    if not causes:
        return []
    rows = [
        (
            row["cause"],
            f"{row['churned']:,}",
            f"{row['predicted']:.1%}",
            format_estimate(row["observed"], row["low"], row["high"], ".1%")
            if row["high"] is not None
            else "0.0%",
        )
        for row in causes["causes"]
    ]
    sample = (
        f"Cumulative incidence of each cause within the outcome window, on {causes['customers']:,} "
        f"held-out customers of whom {causes['churned']:,} churned; 95% intervals. An action "
        "against some causes acts on their share of the churn risk only."
    )
    head = ("cause", "churned, all customers", "predicted", "observed")
    return [sample, "", *_table(head, rows)]


def _learning(card: Mapping[str, Any]) -> list[str]:
    curve = card.get("learning")
    if not curve:
        return []
    gains = [*curve["gains"], None]
    title = _TITLES.get(curve["metric"], curve["metric"])
    rows = [
        (f"{size:,.0f}", f"{score:.4f}", _interval(gain, 4))
        for size, score, gain in zip(curve["sizes"], curve["scores"], gains, strict=True)
    ]
    return [
        _plain(curve["verdict"]),
        "",
        *_table((curve["of"], title, "gain of the full sample"), rows),
    ]


def _lineage(manifest: Manifest | None) -> list[str]:
    if manifest is None or not manifest.lineage:
        return []
    facts = dict(manifest.lineage)
    packages = facts.pop("packages", {})
    facts = {k: v for k, v in facts.items() if isinstance(v, str | int) and k != "data"}
    facts.pop("contract", None)
    return _table(("", ""), sorted({**facts, **dict(packages)}.items()))
