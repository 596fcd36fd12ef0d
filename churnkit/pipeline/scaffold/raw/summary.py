"""Describe the snapshots of a draft, and what must be changed before it can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.pipeline.training.data.dataset import customer_ids

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.timeline import Timeline

__all__ = ["describe_lines", "describe_snapshots"]


def describe_snapshots(timeline: Timeline, table: pa.Table) -> str:
    """Count the customers in the snapshots, and those who churned after one."""
    customers = np.array(customer_ids(table, timeline.entity))
    churned = np.asarray(table[timeline.label_name].to_numpy(), dtype=bool)
    dates = len(timeline.snapshots.dates)
    total, left = len(np.unique(customers)), len(np.unique(customers[churned]))
    rate = churned.mean() if len(churned) else 0.0
    return (
        f"{total:,} customers at {dates} {'date' if dates == 1 else 'dates'}, {left:,} of whom "
        f"churned; at a date, {rate:.1%} churn"
    )


def describe_lines(recipe: str, file: str) -> str:
    """Name the lines of a recipe to change if training refuses it."""
    starts = ("    tables=", "    snapshots=", "    eligible=", "    label=")
    lines = [
        f"line {number} ({text.strip().split('=')[0]})"
        for number, text in enumerate(recipe.splitlines(), start=1)
        if text.startswith(starts)
    ]
    return (
        f"the draft is written: change {', '.join(lines)} of {file}; other labels are commented "
        "out above the label"
    )
