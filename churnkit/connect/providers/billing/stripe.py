"""Stripe: lists, and changes from the events of 30 days, as the filter `created` hides changes."""

from __future__ import annotations

from typing import Any

from churnkit.connect.description.paging import LastRow
from churnkit.connect.description.provider import Endpoint, Family, Provider, Stream
from churnkit.connect.http.auth import Bearer
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Stripe"]
_PAGES = LastRow("id", more="has_more")


def _stream(
    name: str, family: Family, event: str, columns: dict[str, str], query: str = "", **more: Any
) -> Stream:
    page = {"limit": "100", "starting_after": "{token}"}
    return Stream(
        name,
        family,
        Endpoint(f"/v1/{name}{query}", "data", _PAGES, params=page),
        {"id": "id", **columns},
        changes=Endpoint(
            "/v1/events",
            "data",
            _PAGES,
            params={**page, "type": f"{event}.*", "created[gte]": "{since_unix}"},
            item="data.object",
            only=("object", event.rpartition(".")[2]),
            newest_first=True,
        ),
        changes_days=29.0,
        deletion=("deleted", True),
        happened=next(iter(columns)),
        **more,
    )


Stripe: Provider = Provider(
    name="stripe",
    access="a restricted key that may read these streams and events",
    base_url="https://api.stripe.com",
    auth=Bearer(),
    rate=RatePolicy(20.0, burst=20),
    headers={"Stripe-Version": "2026-10-28.endive"},
    check="/v1/customers?limit=1",
    streams=(
        _stream(
            "customers",
            "customers",
            "customer",
            {
                "created_at": "created:seconds",
                "email": "email",
                "currency": "currency",
                "country": "address.country",
                "delinquent": "delinquent:flag",
            },
            rest="metadata",
        ),
        _stream(
            "subscriptions",
            "subscriptions",
            "customer.subscription",
            {
                "started_at": "start_date:seconds",
                "ended_at": "ended_at:seconds",
                "customer_id": "customer",
                "status": "status",
                "price_id": "items.data.0.price.id",
                "unit_amount": "items.data.0.price.unit_amount:number",
                "billing_interval": "items.data.0.price.recurring.interval",
                "interval_count": "items.data.0.price.recurring.interval_count:number",
                "quantity": "items.data.0.quantity:number",
                "currency": "currency",
                "canceled_at": "canceled_at:seconds",
                "cancel_at_period_end": "cancel_at_period_end:flag",
                "cancel_reason": "cancellation_details.reason",
                "cancel_feedback": "cancellation_details.feedback",
            },
            ended="ended_at",
            constant=("customer_id", "currency"),
            query="?status=all",
        ),
        _stream(
            "invoices",
            "transactions",
            "invoice",
            {
                "created_at": "created:seconds",
                "customer_id": "customer",
                "subscription_id": "parent.subscription_details.subscription",
                "total": "total:number",
                "currency": "currency",
                "billing_reason": "billing_reason",
                "status": "status",
                "amount_paid": "amount_paid:number",
                "attempt_count": "attempt_count:number",
            },
            constant=("customer_id", "subscription_id", "total", "currency", "billing_reason"),
        ),
        _stream(
            "charges",
            "transactions",
            "charge",
            {
                "created_at": "created:seconds",
                "customer_id": "customer",
                "amount": "amount:number",
                "currency": "currency",
                "paid": "paid:flag",
                "failure_code": "failure_code",
                "amount_refunded": "amount_refunded:number",
            },
            constant=("customer_id", "amount", "currency", "paid", "failure_code"),
        ),
    ),
)
