"""Amplitude: the export of raw events, as a zip archive of gzipped JSON lines."""

from __future__ import annotations

from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import Basic
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Amplitude"]


def _export(start: str) -> Endpoint:
    return Endpoint(
        "/api/2/export",
        params={"start": start, "end": "{until_hour}"},
        format="zip",
        empty=(404,),
    )


Amplitude: Provider = Provider(
    name="amplitude",
    access="the API key and the secret key of the project",
    base_url="https://amplitude.com",
    auth=Basic(user="{key}", password="{secret}", secrets=("key", "secret")),  # noqa: S106 - names
    settings=("first_hour",),
    rate=RatePolicy(1.0),
    check="/api/2/events/list",
    streams=(
        Stream(
            "events",
            "events",
            _export("{first_hour}"),
            {
                "id": "uuid",
                "happened_at": "event_time:time",
                "available_at": "server_upload_time:time",
                "customer_id": "user_id",
                "event": "event_type",
                "country": "country",
                "platform": "platform",
            },
            changes=_export("{since_hour}"),
            key=("uuid",),
            happened="happened_at",
            log=True,
            overlap_minutes=60.0 * 6.0,
        ),
    ),
)
