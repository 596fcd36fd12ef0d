"""Typeform: responses of one form."""

from __future__ import annotations

from churnkit.connect.description.paging import LastRow
from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import Bearer
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Typeform"]

_PARAMS = {"page_size": "1000", "sort": "submitted_at,desc", "before": "{token}"}

Typeform: Provider = Provider(
    name="typeform",
    access="a personal token with the scopes accounts:read and responses:read",
    base_url="https://api.typeform.com",
    auth=Bearer(),
    settings=("form",),
    rate=RatePolicy(2.0, burst=2),
    check="/me",
    streams=(
        Stream(
            "responses",
            "surveys",
            Endpoint("/forms/{form}/responses", "items", LastRow("token"), params=_PARAMS),
            {
                "id": "token",
                "answered_at": "submitted_at:time",
                "customer_id": "hidden.customer_id",
                "score": "calculated.score:number",
                "answers": "answers",
            },
            changes=Endpoint(
                "/forms/{form}/responses",
                "items",
                LastRow("token"),
                params={**_PARAMS, "since": "{since}"},
            ),
            key=("token",),
            happened="answered_at",
            log=True,
        ),
    ),
)
