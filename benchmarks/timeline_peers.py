"""The table of ``timeline.py`` by other means: the best DuckDB SQL by hand, and pandas."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

__all__ = ["by_pandas", "by_sql"]

_EPOCH = dt.date(1970, 1, 1)
_KINDS = ("session", "report", "export", "purchase")
_KNOWN = "CASE WHEN available_at > occurred_at THEN available_at ELSE occurred_at END"
_BOUGHT = "event_type = 'purchase'"


def by_sql(path: Path, dates: tuple[str, ...], *, days_apart: bool) -> str:
    """Write one query as an expert would, who knows the data.

    Rolled up first to the stretches between window edges; what is never missing is not looked
    at; no two events of a customer have the same time. With `days_apart` distinct days have a
    rollup of their own, else everything is first rolled up to days: which of both is faster
    depends on the data, so both are measured and the faster counts.
    """
    numbers = [(dt.date.fromisoformat(date) - _EPOCH).days for date in dates]
    rows = (
        f"SELECT customer_id, CAST(epoch_us({_KNOWN}) // 86400000000 AS INTEGER) AS day, "  # noqa: S608
        f"epoch_us({_KNOWN}) AS known, event_type, minutes, amount FROM read_parquet('{path}')"
    )
    inside = f"day >= {numbers[0] - 365} AND day < {numbers[-1]}"
    kinds = ", ".join(
        f"CAST(count(CASE WHEN event_type = '{kind}' THEN 1 END) AS DOUBLE) AS {kind}"
        for kind in _KINDS
    )
    first = (
        f"CAST(count(*) AS DOUBLE) AS n, {kinds}, sum(amount) AS amount, "
        "sum(CAST(minutes AS DOUBLE)) AS minutes, "
        f"sum(CASE WHEN {_BOUGHT} THEN amount END) AS spend, max(amount) AS most, "
        "min(amount) AS least, CAST(max(minutes) AS DOUBLE) AS longest, "
        f"max(CASE WHEN {_BOUGHT} THEN day END) AS bought_on, "
        f"arg_max(CASE WHEN {_BOUGHT} THEN amount END, CASE WHEN {_BOUGHT} THEN known END) AS paid"
    )
    stretch = _stretch(numbers, (0, 7, 30, 60, 90, 180, 365))
    if days_apart:
        rollup = (
            f"apart AS (SELECT customer_id, {stretch} AS since, CAST(count(*) AS DOUBLE) AS days "  # noqa: S608
            f"FROM (SELECT DISTINCT customer_id, day FROM ({rows}) "
            f"WHERE day >= {numbers[0] - 90} AND day < {numbers[-1]}) GROUP BY 1, 2), "
            f"together AS (SELECT customer_id, {stretch} AS since, {first}, max(day) AS last, "
            f"min(day) AS earliest FROM ({rows}) WHERE {inside} GROUP BY 1, 2), "
            "rollup AS MATERIALIZED (SELECT together.*, apart.days FROM together "
            "LEFT JOIN apart USING (customer_id, since))"
        )
    else:
        sums = ", ".join(f"sum({one}) AS {one}" for one in ("n", *_KINDS, "amount", "minutes"))
        rollup = (
            f"by_day AS (SELECT customer_id, day, {first} FROM ({rows}) WHERE {inside} "  # noqa: S608
            f"GROUP BY 1, 2), rollup AS MATERIALIZED (SELECT customer_id, {stretch} AS since, "
            f"{sums}, sum(spend) AS spend, max(most) AS most, min(least) AS least, "
            "max(longest) AS longest, max(bought_on) AS bought_on, "
            "arg_max(paid, day) FILTER (WHERE paid IS NOT NULL) AS paid, "
            "CAST(count(*) AS DOUBLE) AS days, max(day) AS last, min(day) AS earliest "
            "FROM by_day GROUP BY 1, 2)"
        )
    windows = " UNION ALL ".join(_windows(number) for number in numbers)
    return (
        f"WITH {rollup}, windows AS ({windows}), active AS ({_active(path, numbers)}) "
        f"{_result(dates, numbers)}"
    )


def _stretch(numbers: list[int], back: tuple[int, ...]) -> str:
    edges = sorted({number - days for number in numbers for days in back})
    steps = " ".join(f"WHEN day >= {edge} THEN {edge}" for edge in reversed(edges[:-1]))
    return f"CASE {steps} END"


def _windows(number: int) -> str:
    def over(function: str, what: str, days: int, lag: int = 0) -> str:
        until = f" AND since < {number - lag}" if lag else ""
        return f"{function}(CASE WHEN since >= {number - days}{until} THEN {what} END)"

    found = {f"events_{days}d": over("sum", "n", days) for days in (7, 30, 90, 180, 365)}
    found |= {f"{k}_{days}d": over("sum", k, days) for k in _KINDS for days in (30, 90)}
    found |= {f"amount_{days}d": over("sum", "amount", days) for days in (30, 90, 180, 365)}
    found |= {f"minutes_{days}d": over("sum", "minutes", days) for days in (30, 90)}
    found |= {f"days_{days}d": over("sum", "days", days) for days in (30, 90)}
    found |= {f"spend_{days}d": over("sum", "spend", days) for days in (30, 90, 365)}
    found |= {f"most_{days}d": over("max", "most", days) for days in (90, 365)}
    found["least_90d"] = over("min", "least", 90)
    found["longest_30d"] = over("max", "longest", 30)
    found |= {"last": "max(last)", "bought_on": "max(bought_on)", "earliest": "min(earliest)"}
    found["last_purchase"] = "arg_max(paid, since) FILTER (WHERE paid IS NOT NULL)"
    found["events_lag_30"] = over("sum", "n", 60, 30)
    found["events_lag_60"] = over("sum", "n", 90, 60)
    found["amount_lag_30"] = over("sum", "amount", 60, 30)
    columns = ", ".join(f"{value} AS {name}" for name, value in found.items())
    return (
        f"SELECT customer_id, {number} AS as_of, {columns} FROM rollup "  # noqa: S608
        f"WHERE since < {number} AND since >= {number - 365} GROUP BY customer_id"
    )


def _active(path: Path, numbers: list[int]) -> str:
    edges = sorted({number + ahead for number in numbers for ahead in (0, 60)})
    dates = ", ".join(f"({number})" for number in numbers)
    return (
        f"SELECT DISTINCT customer_id, as_of FROM (SELECT DISTINCT customer_id, "  # noqa: S608
        f"{_stretch(numbers, (0, -60))} AS since FROM (SELECT customer_id, "
        "CAST(epoch_us(occurred_at) // 86400000000 AS INTEGER) AS day "
        f"FROM read_parquet('{path}')) WHERE day >= {edges[0]} AND day < {edges[-1]}) "
        f"JOIN (VALUES {dates}) dates(as_of) ON since >= as_of AND since < as_of + 60"
    )


def _result(dates: tuple[str, ...], numbers: list[int]) -> str:
    def count(*names: str) -> list[str]:
        return [f"CAST(coalesce({name}, 0) AS BIGINT) AS {name}" for name in names]

    def total(*names: str) -> list[str]:
        return [f"coalesce({name}, 0.0::DOUBLE) AS {name}" for name in names]

    columns = count(*(f"events_{days}d" for days in (7, 30, 90, 180, 365)))
    columns += count(*(f"{kind}_{days}d" for kind in _KINDS for days in (30, 90)))
    columns += total(*(f"amount_{days}d" for days in (30, 90, 180, 365)))
    for days in (30, 90):
        columns += total(f"minutes_{days}d")
        columns.append(f"amount_{days}d / nullif(events_{days}d, 0) AS mean_{days}d")
        columns += count(f"days_{days}d")
    columns += total(*(f"spend_{days}d" for days in (30, 90, 365)))
    columns += ["most_90d", "most_365d", "least_90d", "longest_30d"]
    columns += [
        f"CAST(windows.as_of - {day} - 1 AS BIGINT) AS {name}"
        for day, name in (
            ("last", "recency"),
            ("bought_on", "purchase_recency"),
            ("earliest", "tenure"),
        )
    ]
    columns += [
        "coalesce(events_30d, 0) / 30 / nullif(events_90d / 90, 0) AS trend",
        "coalesce(amount_30d, 0) / 30 / nullif(amount_90d / 90, 0) AS amount_trend",
        "coalesce(events_7d, 0) / nullif(events_30d, 0) AS week_of_month",
        *(f"{kind}_90d / nullif(events_90d, 0) AS {kind}_share" for kind in _KINDS[:3]),
        "export_30d / nullif(events_30d, 0) AS export_share_30d",
        "last_purchase",
        *count("events_lag_30", "events_lag_60"),
        *total("amount_lag_30"),
        "minutes_90d / nullif(events_90d, 0) AS mean_minutes_90d",
    ]
    moments = " ".join(
        f"WHEN {number} THEN TIMESTAMP '{date} 00:00:00'"
        for number, date in zip(numbers, dates, strict=True)
    )
    return (
        f"SELECT windows.customer_id, CASE windows.as_of {moments} END AS as_of, "  # noqa: S608
        f"{', '.join(columns)}, active.customer_id IS NULL AS churned "
        "FROM windows LEFT JOIN active USING (customer_id, as_of) WHERE events_180d > 0 "
        "ORDER BY windows.as_of, windows.customer_id"
    )


def by_pandas(path: Path, dates: tuple[str, ...]) -> pd.DataFrame:
    """Write it down in pandas as most people would: date by date, window by window."""
    import pandas as pd

    events = pd.read_parquet(path)
    events["known"] = events[["occurred_at", "available_at"]].max(axis=1)
    parts = []
    for date in dates:
        as_of = pd.Timestamp(date, tz="UTC")
        seen = events[events["known"] < as_of]
        found = pd.DataFrame(_of_date(seen, as_of))
        found = found[found["events_180d"] > 0].sort_index()
        ahead = events["occurred_at"].between(as_of, as_of + pd.Timedelta(days=60), "left")
        active = events.loc[ahead, "customer_id"].unique()
        found["churned"] = ~found.index.isin(active)
        found.insert(0, "as_of", as_of)
        parts.append(found.reset_index(names="customer_id"))
    return pd.concat(parts, ignore_index=True)


def _of_date(seen: pd.DataFrame, as_of: Any) -> dict[str, Any]:  # noqa: C901  (one by one, as people do)
    import pandas as pd

    def window(days: int, lag: int = 0, kind: str | None = None) -> Any:
        end = as_of - pd.Timedelta(days=lag)
        rows = seen[(seen["known"] >= end - pd.Timedelta(days=days)) & (seen["known"] < end)]
        return (rows if kind is None else rows[rows["event_type"] == kind]).groupby("customer_id")

    everybody = window(365).size()

    def filled(values: Any) -> Any:
        return values.reindex(everybody.index, fill_value=0)

    found: dict[str, Any] = {}
    for days in (7, 30, 90, 180, 365):
        found[f"events_{days}d"] = filled(window(days).size())
    for kind in _KINDS:
        for days in (30, 90):
            found[f"{kind}_{days}d"] = filled(window(days, kind=kind).size())
    for days in (30, 90, 180, 365):
        found[f"amount_{days}d"] = filled(window(days)["amount"].sum())
    for days in (30, 90):
        found[f"minutes_{days}d"] = filled(window(days)["minutes"].sum())
        found[f"mean_{days}d"] = window(days)["amount"].mean()
        rows = window(days).obj
        distinct = rows.assign(day=rows["known"].dt.floor("D")).groupby("customer_id")["day"]
        found[f"days_{days}d"] = filled(distinct.nunique())
    for days in (30, 90, 365):
        found[f"spend_{days}d"] = filled(window(days, kind="purchase")["amount"].sum())
    for days in (90, 365):
        found[f"most_{days}d"] = window(days)["amount"].max()
    found["least_90d"] = window(90)["amount"].min()
    found["longest_30d"] = window(30)["minutes"].max()
    for name, moments in {
        "recency": window(365)["known"].max(),
        "purchase_recency": window(365, kind="purchase")["known"].max(),
        "tenure": window(365)["known"].min(),
    }.items():
        found[name] = (as_of - moments.dt.floor("D")).dt.days - 1
    found["trend"] = found["events_30d"] / 30 / (found["events_90d"] / 90)
    found["amount_trend"] = found["amount_30d"] / 30 / (found["amount_90d"] / 90)
    found["week_of_month"] = found["events_7d"] / found["events_30d"]
    for kind in _KINDS[:3]:
        found[f"{kind}_share"] = found[f"{kind}_90d"] / found["events_90d"]
    found["export_share_30d"] = found["export_30d"] / found["events_30d"]
    bought = window(365, kind="purchase").obj.sort_values("known").groupby("customer_id")
    found["last_purchase"] = bought["amount"].last()
    for lag in (30, 60):
        found[f"events_lag_{lag}"] = filled(window(30, lag).size())
    found["amount_lag_30"] = filled(window(30, 30)["amount"].sum())
    found["mean_minutes_90d"] = window(90)["minutes"].mean()
    return found
