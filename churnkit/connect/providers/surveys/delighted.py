"""Delighted: answers to surveys, with scores and comments."""

from __future__ import annotations

from churnkit.connect.description.paging import Offset
from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import Basic
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Delighted"]

_PARAMS = {"per_page": "100", "page": "{token}", "order": "asc:updated_at"}
_PAGES = Offset(size=100, first=1)

Delighted: Provider = Provider(
    name="delighted",
    access="the API key of the account",
    base_url="https://api.delighted.com",
    auth=Basic(user="{key}"),
    rate=RatePolicy(2.0, burst=5),
    check="/v1/metrics.json",
    streams=(
        Stream(
            "survey_responses",
            "surveys",
            Endpoint("/v1/survey_responses.json", "", _PAGES, params=_PARAMS),
            {
                "id": "id",
                "answered_at": "created_at:seconds",
                "modified_at": "updated_at:seconds",
                "person_id": "person",
                "customer_id": "person_properties.customer_id",
                "kind": "survey_type",
                "score": "score:number",
                "comment": "comment",
            },
            changes=Endpoint(
                "/v1/survey_responses.json",
                "",
                _PAGES,
                params={**_PARAMS, "updated_since": "{since_unix}"},
            ),
            happened="answered_at",
            log=True,
        ),
    ),
)
