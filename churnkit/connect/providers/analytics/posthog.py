"""PostHog: events by HogQL, in the order of their time."""

from __future__ import annotations

from churnkit.connect.description.paging import LastRow
from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import Bearer
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["PostHog"]

_SELECT = (
    "SELECT uuid, event, distinct_id, toString(timestamp), toString(created_at) FROM events "
    "WHERE created_at >= '{since}' AND toString(uuid) > '{token}' ORDER BY toString(uuid) "
    "LIMIT 10000"
)
_EVENTS = Endpoint(
    "/api/projects/{project}/query",
    "results",
    LastRow("0", first=""),
    method="POST",
    body={"query": {"kind": "HogQLQuery", "query": _SELECT}},
    names=("uuid", "event", "distinct_id", "timestamp", "created_at"),
)

PostHog: Provider = Provider(
    name="posthog",
    access="a personal API key with the scopes query:read and user:read",
    base_url="https://us.posthog.com",
    auth=Bearer(),
    settings=("project",),
    # 240 queries a minute, 1,200 an hour.
    rate=RatePolicy(0.33, burst=10),
    check="/api/users/@me/",
    streams=(
        Stream(
            "events",
            "events",
            _EVENTS,
            {
                "id": "uuid",
                "happened_at": "timestamp:time",
                "available_at": "created_at:time",
                "customer_id": "distinct_id",
                "event": "event",
            },
            changes=_EVENTS,
            key=("uuid",),
            happened="happened_at",
            log=True,
        ),
    ),
)
