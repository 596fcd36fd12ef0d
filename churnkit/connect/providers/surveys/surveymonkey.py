"""SurveyMonkey: responses of one survey."""

from __future__ import annotations

from churnkit.connect.description.paging import Offset
from churnkit.connect.description.provider import Endpoint, Provider, Stream
from churnkit.connect.http.auth import Bearer
from churnkit.connect.http.rate_limit import RatePolicy

__all__ = ["SurveyMonkey"]

_PARAMS = {"per_page": "100", "page": "{token}", "sort_by": "date_modified", "sort_order": "ASC"}
_PAGES = Offset(size=100, first=1)

SurveyMonkey: Provider = Provider(
    name="surveymonkey",
    access="the access token of an app with the scopes View Surveys and View Response Details",
    base_url="https://api.surveymonkey.com",
    auth=Bearer(),
    settings=("survey",),
    rate=RatePolicy(
        2.0,
        burst=2,
        remaining="x-ratelimit-app-global-minute-remaining",
        reset="x-ratelimit-app-global-minute-reset",
        daily=("x-ratelimit-app-global-day-limit", "x-ratelimit-app-global-day-remaining"),
    ),
    check="/v3/users/me",
    streams=(
        Stream(
            "responses",
            "surveys",
            Endpoint("/v3/surveys/{survey}/responses/bulk", "data", _PAGES, params=_PARAMS),
            {
                "id": "id",
                "answered_at": "date_created:time",
                "modified_at": "date_modified:time",
                "customer_id": "custom_variables.customer_id",
                "status": "response_status",
                "answers": "pages",
            },
            changes=Endpoint(
                "/v3/surveys/{survey}/responses/bulk",
                "data",
                _PAGES,
                params={**_PARAMS, "start_modified_at": "{since}"},
            ),
            happened="answered_at",
            log=True,
        ),
    ),
)
