"""Point-in-time features from raw tables: one row per customer and date.

Examples
--------
>>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table, Timeline
>>> timeline = Timeline(
...     tables=[Table("orders", "buyer", happened="ordered_at")],
...     features={"orders_90d": Count("orders", window_days=90)},
...     snapshots=Snapshots(every="1 month", start="2025-01-01", end="2025-03-01"),
...     eligible=ActiveWithin("orders", days=180),
... )
>>> len(timeline.snapshots.dates)
3
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
