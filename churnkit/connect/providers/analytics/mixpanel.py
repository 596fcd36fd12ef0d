"""Mixpanel: the export of raw events, day by day."""

from __future__ import annotations

from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import Basic
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Mixpanel"]


def _export(start: str) -> Endpoint:
    return Endpoint(
        "/api/2.0/export",
        params={"from_date": start, "to_date": "{until_date}", "project_id": "{project}"},
        format="jsonl",
    )


Mixpanel: Provider = Provider(
    name="mixpanel",
    access="the name and the secret of a service account that may export the project",
    base_url="https://data.mixpanel.com",
    auth=Basic(user="{user}", password="{key}"),  # noqa: S106 - the name of the secret
    settings=("user", "project", "first_date"),
    # 60 exports an hour, 3 a second.
    rate=RatePolicy(1.0 / 60.0, burst=3),
    check="/api/2.0/export?from_date=2000-01-01&to_date=2000-01-01",
    streams=(
        Stream(
            "events",
            "events",
            _export("{first_date}"),
            {
                "id": "properties.$insert_id",
                "happened_at": "properties.time:seconds",
                "customer_id": "properties.distinct_id",
                "event": "event",
                "country": "properties.mp_country_code",
                "platform": "properties.$os",
            },
            changes=_export("{since_date}"),
            key=("properties.$insert_id", "event", "properties.time", "properties.distinct_id"),
            happened="happened_at",
            log=True,
            overlap_minutes=60.0 * 24.0,
        ),
    ),
)
