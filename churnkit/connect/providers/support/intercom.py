"""Intercom: contacts and conversations, by search."""

from __future__ import annotations

from churnkit.connect.description.paging import NextToken
from churnkit.connect.description.provider import Endpoint, Family, Provider, Stream
from churnkit.connect.http.auth import Bearer
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Intercom"]


def _search(path: str, rows: str) -> Endpoint:
    return Endpoint(
        f"/{path}/search",
        rows,
        NextToken("pages.next.starting_after"),
        method="POST",
        body={
            "query": {"field": "updated_at", "operator": ">", "value": "{since_number}"},
            "pagination": {"per_page": 150, "starting_after": "{token}"},
        },
    )


def _stream(
    path: str, rows: str, family: Family, *constant: str, ended: str | None = None, **columns: str
) -> Stream:
    return Stream(
        path,
        family,
        _search(path, rows),
        {
            "id": "id",
            "created_at": "created_at:seconds",
            "modified_at": "updated_at:seconds",
            **columns,
        },
        changes=_search(path, rows),
        happened="created_at",
        ended=ended,
        constant=constant,
    )


Intercom: Provider = Provider(
    name="intercom",
    access="the access token of an app that may read users and conversations",
    base_url="https://api.intercom.io",
    auth=Bearer(),
    headers={"Intercom-Version": "2.14"},
    rate=RatePolicy(
        15.0,
        burst=15,
        remaining="x-ratelimit-remaining",
        reset="x-ratelimit-reset",
        unit="unix",
        limited=("rate_limit_exceeded",),
    ),
    check="/me",
    streams=(
        _stream(
            "contacts",
            "data",
            "customers",
            "customer_id",
            customer_id="external_id",
            email="email",
            role="role",
            country="location.country",
            last_seen_at="last_seen_at:seconds",
            unsubscribed="unsubscribed_from_emails:flag",
        ),
        _stream(
            "conversations",
            "conversations",
            "tickets",
            "contact_id",
            contact_id="contacts.contacts.0.id",
            state="state",
            priority="priority",
            rating="conversation_rating.rating:number",
            reopens="statistics.count_reopens:number",
            closed_at="statistics.last_close_at:seconds",
        ),
    ),
)
