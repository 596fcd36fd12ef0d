"""Salesforce: accounts, contacts, opportunities and the history of accounts, by Bulk API 2.0."""

from __future__ import annotations

from churnkit.connect.description.paging import NextHeader
from churnkit.connect.description.provider import Endpoint, Family, Fields, Job, Provider, Stream
from churnkit.connect.http.auth import ClientCredentials
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["VERSION", "Salesforce"]

VERSION = "v67.0"
_DATA = f"/services/data/{VERSION}"
_KINDS = {
    **dict.fromkeys(("double", "currency", "percent", "int", "long"), "number"),
    **dict.fromkeys(("datetime", "date"), "time"),
    "boolean": "flag",
}


def _query(query: str) -> Endpoint:
    return Endpoint(
        f"{_DATA}/jobs/query/{{job}}/results",
        "",
        NextHeader("sforce-locator", end="null"),
        params={"maxRecords": "50000", "locator": "{token}"},
        format="csv",
        job=Job(
            f"{_DATA}/jobs/query",
            {
                "operation": "queryAll",
                "query": query,
                "contentType": "CSV",
                "columnDelimiter": "COMMA",
                "lineEnding": "LF",
            },
            id="id",
            poll=f"{_DATA}/jobs/query/{{job}}",
            state="state",
            done=("JobComplete",),
            failed=("Failed", "Aborted"),
        ),
    )


def _records(name: str, kind: str, family: Family, **columns: str) -> Stream:
    select = f"SELECT {{fields}} FROM {kind}"  # noqa: S608 - names of the description
    return Stream(
        name,
        family,
        _query(select),
        {
            "id": "Id",
            "created_at": "CreatedDate:time",
            "modified_at": "SystemModstamp:time",
            **columns,
        },
        changes=_query(f"{select} WHERE SystemModstamp >= {{since}} ORDER BY SystemModstamp"),
        deletion=("IsDeleted", "true"),
        key=("Id",),
        rest="",
        fields=Fields(
            f"{_DATA}/sobjects/{kind}/describe",
            "fields",
            kinds=_KINDS,
            skip=("address", "location", "base64", "complexvalue"),
        ),
        happened="created_at",
        constant=tuple(columns),
    )


def _history(name: str, kind: str, parent: str) -> Stream:
    select = f"SELECT Id,{parent},Field,OldValue,NewValue,CreatedDate FROM {kind}"  # noqa: S608 - as above
    return Stream(
        name,
        "events",
        _query(select),
        {
            "id": "Id",
            "customer_id": parent,
            "field": "Field",
            "old_value": "OldValue",
            "new_value": "NewValue",
            "changed_at": "CreatedDate:time",
        },
        changes=_query(f"{select} WHERE CreatedDate >= {{since}} ORDER BY CreatedDate"),
        key=("Id",),
        happened="changed_at",
        log=True,
    )


Salesforce: Provider = Provider(
    name="salesforce",
    access="a connected app with the client credentials flow, whose user has the API and "
    "may read accounts, contacts and opportunities",
    base_url="https://{domain}.my.salesforce.com",
    auth=ClientCredentials("/services/oauth2/token"),
    settings=("domain",),
    rate=RatePolicy(
        10.0,
        burst=10,
        daily=("sforce-limit-info",),
        limited=("REQUEST_LIMIT_EXCEEDED", "SERVER_UNAVAILABLE"),
    ),
    check=f"{_DATA}/limits",
    streams=(
        _records("accounts", "Account", "customers"),
        _records("contacts", "Contact", "customers", customer_id="AccountId"),
        _records("opportunities", "Opportunity", "transactions", customer_id="AccountId"),
        _history("account_changes", "AccountHistory", "AccountId"),
    ),
)
