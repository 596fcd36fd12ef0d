"""Qualtrics: responses of one survey, by an export that is created and polled."""

from __future__ import annotations

from churnkit.connect.description.provider import Endpoint, Job, Provider, Stream
from churnkit.connect.http.auth import HeaderKey
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["Qualtrics"]

_EXPORT = "/API/v3/surveys/{survey}/export-responses"


def _export(**body: str) -> Endpoint:
    return Endpoint(
        f"{_EXPORT}/{{job}}/file",
        "",
        format="zip",
        job=Job(
            _EXPORT,
            {"format": "json", **body},
            id="result.progressId",
            poll=f"{_EXPORT}/{{job}}",
            state="result.status",
            done=("complete",),
            failed=("failed",),
            file="result.fileId",
        ),
    )


Qualtrics: Provider = Provider(
    name="qualtrics",
    access="the API token of a user who may use the API and see the survey",
    base_url="https://{datacenter}.qualtrics.com",
    auth=HeaderKey("X-API-TOKEN", ""),
    settings=("datacenter", "survey"),
    rate=RatePolicy(5.0, burst=5),
    check="/API/v3/whoami",
    streams=(
        Stream(
            "responses",
            "surveys",
            _export(),
            {
                "id": "responseId",
                "answered_at": "values.recordedDate:time",
                "customer_id": "values.externalDataReference",
                "finished": "values.finished:number",
            },
            changes=_export(startDate="{since}"),
            key=("responseId",),
            rest="values",
            happened="answered_at",
            log=True,
        ),
    ),
)
