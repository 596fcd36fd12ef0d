"""Chargebee: customers, subscriptions and invoices, deleted ones included."""

from __future__ import annotations

from churnkit.connect.description.paging import NextToken
from churnkit.connect.description.provider import Endpoint, Family, Provider, Stream
from churnkit.connect.http.auth import Basic
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Chargebee"]


def _stream(
    name: str, item: str, family: Family, *constant: str, ended: str | None = None, **columns: str
) -> Stream:
    params = {"limit": "100", "offset": "{token}", "include_deleted": "true"}

    def pages(**more: str) -> Endpoint:
        return Endpoint(
            f"/api/v2/{name}",
            "list",
            NextToken("next_offset"),
            params={**params, **more},
            item=item,
        )

    return Stream(
        name,
        family,
        pages(),
        {"id": "id", **columns, "modified_at": "updated_at:seconds"},
        changes=pages(**{"updated_at[after]": "{since_unix}", "sort_by[asc]": "updated_at"}),
        deletion=("deleted", True),
        happened=next(iter(columns)),
        ended=ended,
        constant=constant,
    )


Chargebee: Provider = Provider(
    name="chargebee",
    access="a read-only API key of the site",
    base_url="https://{site}.chargebee.com",
    auth=Basic(user="{key}"),
    settings=("site",),
    rate=RatePolicy(2.5, burst=10, limited=("api_request_limit_exceeded",)),
    check="/api/v2/customers?limit=1",
    streams=(
        _stream(
            "customers",
            "customer",
            "customers",
            created_at="created_at:seconds",
            email="email",
            company="company",
            country="billing_address.country",
            auto_collection="auto_collection",
        ),
        _stream(
            "subscriptions",
            "subscription",
            "subscriptions",
            "customer_id",
            "currency",
            started_at="started_at:seconds",
            ended_at="cancelled_at:seconds",
            customer_id="customer_id",
            currency="currency_code",
            status="status",
            mrr="mrr:number",
            billing_period="billing_period:number",
            billing_period_unit="billing_period_unit",
            item_price="subscription_items.0.item_price_id",
            cancel_reason="cancel_reason_code",
            ended="ended_at",
        ),
        _stream(
            "invoices",
            "invoice",
            "transactions",
            "customer_id",
            "subscription_id",
            "total",
            "currency",
            created_at="date:seconds",
            customer_id="customer_id",
            subscription_id="subscription_id",
            total="total:number",
            currency="currency_code",
            status="status",
            amount_due="amount_due:number",
            paid_at="paid_at:seconds",
        ),
    ),
)
