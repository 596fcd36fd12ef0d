"""Zendesk: tickets, users and organizations by incremental exports, and satisfaction ratings."""

from __future__ import annotations

from churnkit.connect.description.paging import NextToken
from churnkit.connect.description.provider import Endpoint, Family, Provider, Stream
from churnkit.connect.http.auth import Basic
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Zendesk"]


def _export(name: str) -> Endpoint:
    return Endpoint(
        f"/api/v2/incremental/{name}/cursor.json",
        name,
        NextToken("after_cursor", end="end_of_stream"),
        params={"start_time": "{since_unix}", "per_page": "1000"},
        next_params={"cursor": "{token}", "per_page": "1000"},
    )


def _stream(
    name: str, family: Family, deletion: tuple[str, object], *constant: str, **columns: str
) -> Stream:
    return Stream(
        name,
        family,
        _export(name),
        {
            "id": "id",
            "created_at": "created_at:time",
            "modified_at": "updated_at:time",
            **columns,
        },
        changes=_export(name),
        deletion=deletion,
        happened="created_at",
        constant=constant,
    )


Zendesk: Provider = Provider(
    name="zendesk",
    access="an API token, and the address of an administrator: incremental exports are for "
    "administrators",
    base_url="https://{subdomain}.zendesk.com",
    auth=Basic(user="{email}/token", password="{key}"),  # noqa: S106 - the name of the secret
    settings=("subdomain", "email"),
    # Incremental exports allow 10 requests per minute.
    rate=RatePolicy(
        10.0 / 60.0, burst=5, remaining="x-rate-limit-remaining", reset="ratelimit-reset"
    ),
    check="/api/v2/users/me.json",
    streams=(
        _stream(
            "tickets",
            "tickets",
            ("status", "deleted"),
            "customer_id",
            "requester_id",
            "channel",
            customer_id="organization_id",
            requester_id="requester_id",
            channel="via.channel",
            status="status",
            priority="priority",
            type="type",
            subject="subject",
            tags="tags",
            satisfaction="satisfaction_rating.score",
        ),
        _stream(
            "users",
            "customers",
            ("active", False),
            customer_id="organization_id",
            email="email",
            role="role",
            time_zone="time_zone",
            tags="tags",
            last_login_at="last_login_at:time",
        ),
        Stream(
            "satisfaction_ratings",
            "surveys",
            Endpoint(
                "/api/v2/satisfaction_ratings.json",
                "satisfaction_ratings",
                NextToken("meta.after_cursor", more="meta.has_more"),
                params={"page[size]": "100", "page[after]": "{token}"},
            ),
            {
                "id": "id",
                "answered_at": "created_at:time",
                "modified_at": "updated_at:time",
                "ticket_id": "ticket_id",
                "requester_id": "requester_id",
                "score": "score",
                "comment": "comment",
            },
            changes=Endpoint(
                "/api/v2/satisfaction_ratings.json",
                "satisfaction_ratings",
                NextToken("meta.after_cursor", more="meta.has_more"),
                params={
                    "page[size]": "100",
                    "page[after]": "{token}",
                    "start_time": "{since_unix}",
                },
            ),
            happened="answered_at",
            constant=("ticket_id", "requester_id"),
        ),
    ),
)
