"""Trustpilot: reviews of one business unit."""

from __future__ import annotations

from churnkit.connect.description.paging import Offset
from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import HeaderKey
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Trustpilot"]

Trustpilot: Provider = Provider(
    name="trustpilot",
    access="the API key of an application",
    base_url="https://api.trustpilot.com",
    auth=HeaderKey("apikey", ""),
    settings=("business_unit",),
    rate=RatePolicy(5.0, burst=5),
    check="/v1/business-units/all?perPage=1",
    streams=(
        Stream(
            "reviews",
            "reviews",
            Endpoint(
                "/v1/business-units/{business_unit}/reviews",
                "reviews",
                Offset(size=100, first=1),
                params={"perPage": "100", "page": "{token}", "orderBy": "createdat.asc"},
            ),
            {
                "id": "id",
                "written_at": "createdAt:time",
                "modified_at": "updatedAt:time",
                "customer_id": "referenceId",
                "stars": "stars:number",
                "title": "title",
                "text": "text",
                "language": "language",
            },
            happened="written_at",
            log=True,
        ),
    ),
)
